"""The project of four stages and its Prefect server, kept for all tests of one file."""

from collections.abc import Iterator

import pytest

from flows.server import PrefectServer
from tests.flows.four_stages import four_stages
from tests.projects import Project, Server


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of its own for each file."""
    return four_stages(tmp_path_factory.mktemp("small") / "checkout")


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[Server]:
    """The project's server; the flows find it running."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        with PrefectServer(project.folder / ".prefect").use() as url:
            yield Server(url)
