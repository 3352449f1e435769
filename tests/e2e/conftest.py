"""Real hosts for the tests of this folder. Without root or systemd-nspawn they fail: a skipped proof is none."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import testinfra
import testinfra.host
from tests.e2e.cli import IMAGES, Site, prepare
from tests.e2e.held import end_silence
from tests.e2e.placed import Place, Placed

from provision.lab.claim import claimed
from provision.lab.lab import Lab, base_folder
from provision.lab.provider import Host, Image


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("e2e")


@pytest.fixture(scope="session")
def lab_base() -> Path:
    """The folder of images and labs."""
    return base_folder(os.environ)


@pytest.fixture(scope="session")
def lab_name() -> Iterator[str]:
    """A name for this session's lab: ``e2e``, or ``e2e-b``, ... while other sessions run on this machine."""
    with claimed("e2e") as name:
        yield name


@pytest.fixture(scope="session")
def lab(lab_name: str, lab_base: Path) -> Iterator[Lab]:
    """This session's lab, without a host at first; what a killed session left of it is removed."""
    lab = Lab(lab_name, lab_base)
    lab.down()
    end_silence(lab_name)
    yield lab
    lab.down()


@pytest.fixture(params=IMAGES, ids=str)
def image(request: pytest.FixtureRequest) -> Image:
    """Each image in turn."""
    assert isinstance(request.param, Image)
    return request.param


@pytest.fixture
def make_host(lab: Lab) -> Iterator[Callable[[Image], Host]]:
    """Boots a host of an image in two seconds; the test's hosts are removed after it."""
    made: list[Host] = []

    def make(image: Image) -> Host:
        made.append(lab.add(image))
        return made[-1]

    yield make
    for host in made:
        lab.remove(host)


@pytest.fixture
def fresh_host(make_host: Callable[[Image], Host]) -> Host:
    """A bookworm host that nobody has touched; root logs in."""
    return make_host(Image())


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Host]:
    """A bookworm host that the tests of one module share; root logs in."""
    host = lab.add()
    yield host
    lab.remove(host)


@pytest.fixture(scope="session")
def prepared(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Image], Path]:
    """The layer with what the roles python and caddy do, over an image; made once for all workers of a run."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def prepared(image: Image) -> Path:
        layer = shared / f"prepared-{image.distro}-{image.flavour}"
        with layer.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not layer.exists():
                host = lab.add(image)
                prepare(host, own)
                lab.save(host, layer)
                lab.remove(host)
        return layer

    return prepared


@pytest.fixture(scope="module")
def add_prepared(lab: Lab, prepared: Callable[[Image], Path]) -> Iterator[Callable[..., Host]]:
    """``add_prepared(image)``: a host on which only the role app has something to do, removed after the module."""
    made: list[Host] = []

    def add_prepared(image: Image = Image()) -> Host:  # noqa: B008 # it is a constant
        made.append(lab.add(image, [prepared(image)]))
        return made[-1]

    yield add_prepared
    for host in made:
        # A test may have removed it.
        if host in lab.hosts:
            lab.remove(host)


@pytest.fixture(scope="module")
def prepared_host(add_prepared: Callable[..., Host]) -> Host:
    """A bookworm host with Python and Caddy that the tests of one module share."""
    return add_prepared()


@pytest.fixture(scope="session")
def inspect() -> Callable[[Host], testinfra.host.Host]:
    """Testinfra's view of a host, as root: a judge that shares no code with us."""

    def inspect(host: Host) -> testinfra.host.Host:
        return testinfra.get_host(
            f"ssh://{host.user}@{host.address}:{host.port}",
            ssh_identity_file=str(host.key),
            ssh_extra_args=f"-F none -o IdentitiesOnly=yes -o UserKnownHostsFile={host.known_hosts}",
            timeout=60,
            controlpersist=0,  # A master connection would outlive the host.
            sudo=host.user != "root",
        )

    return inspect


@pytest.fixture(scope="session")
def make_site(
    lab: Lab, inspect: Callable[[Host], testinfra.host.Host], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Site]:
    """``make_site(host, app_workers=1)``: the example app for a host, not there yet."""

    def make_site(host: Host, **variables: object) -> Site:
        return Site(tmp_path_factory.mktemp("site"), host, lab.root(host), inspect(host), **variables)

    return make_site


@pytest.fixture(scope="module")
def place(
    lab: Lab,
    prepared_host: Host,
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    """Puts one of the apps on this module's host, with ports of its own."""
    ports = count(8000, 10)

    def place(name: str, **variables: object) -> Placed:
        folder = tmp_path_factory.mktemp(name)
        host = prepared_host
        return Placed(name, next(ports), folder, host, lab.root(host), inspect(host), **variables)

    return place
