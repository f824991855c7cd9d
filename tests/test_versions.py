"""Which code and which packages a result comes from."""

from sg_agent.versions import package_versions, revision


def test_the_revision_is_a_commit_or_a_version() -> None:
    assert revision().removesuffix("-dirty")


def test_only_packages_that_are_installed_have_a_version() -> None:
    assert package_versions(["sg-agent", "no-such-package"]).keys() == {"sg-agent"}
