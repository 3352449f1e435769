"""What the inventory says that a host shall be, as far as it is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from provision.coerce import integer
from provision.inventory import Host
from provision.ops.targets import APP_ROLE, Targets
from provision.resources import site
from provision.resources.certificates import LETS_ENCRYPT, STAGING
from provision.yamlfile import Node

CADDY_ROLE = "caddy"
PYPI = "https://pypi.org/simple/"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One host."""

    caddy: bool = False
    """Caddy is to run there; without it the web is not looked at."""
    app: str = ""
    """The app's name; empty where none is to run there."""
    names: tuple[str, ...] = ()
    tls: str = "auto"
    http_port: int = 80
    proxies: tuple[str, ...] = ()
    """``caddy_trusted_proxies``."""
    forwarded: tuple[str, ...] = ()
    """Whom the app is to believe what it says of a client."""
    directory: str = ""
    """The ACME server's; empty where no public certificate is wanted."""
    own_root: bool = False
    """The ACME server's certificate goes back to a root that was given."""
    index: str = ""
    """The package index; empty where no app is to run there."""

    @property
    def certified(self) -> bool:
        """Has it certificates, whoever signs them?"""
        return bool(site.certified(self.names, self.tls))

    @property
    def ports(self) -> tuple[int, ...]:
        """Where clients come in."""
        return site.ports(self.names, self.tls, self.http_port) if self.caddy else ()


def wanted(targets: Targets, host: Host) -> Wanted:
    """What is wanted of ``host``. Raises ConfigError."""
    roles = targets.roles(host)
    scope = targets.scope(host, roles)
    named = {role.name for role in roles}
    has_app = APP_ROLE in named and scope.node("app_state").text == "present"
    app = scope.node("app_name").text if has_app else ""
    index = _without_login(scope.node("app_index_url").text) or PYPI if has_app else ""
    if CADDY_ROLE not in named:
        return Wanted(app=app, index=index)
    tls, staging = scope.node("caddy_tls").text, scope.node("caddy_acme_staging").value
    names = _texts(scope.node("caddy_domain"))
    directory = scope.node("caddy_acme_ca").text or (STAGING if staging else LETS_ENCRYPT)
    return Wanted(
        caddy=True,
        app=app,
        names=names,
        tls=tls,
        http_port=integer(scope.node("caddy_http_port"), "caddy_http_port"),
        proxies=_texts(scope.node("caddy_trusted_proxies")),
        forwarded=_texts(scope.node("app_trusted_proxies")) if has_app else (),
        directory=directory if names and tls == "auto" else "",
        own_root=bool(scope.node("caddy_acme_ca_root").text),
        index=index,
    )


def _texts(node: Node) -> tuple[str, ...]:
    if isinstance(node.value, list):
        return tuple(item.text for item in node.value)
    return (node.text,) if node.text else ()


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
