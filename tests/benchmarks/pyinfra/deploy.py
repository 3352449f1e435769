"""The job as pyinfra's own operations do it, without the safeguards."""

from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.operations import apt, files, server, systemd

DOMAIN, UV_VERSION, ARCHIVE = host.data.domain, host.data.uv_version, host.data.archive

apt.packages(
    name="Install packages",
    packages=["python3", "python3-venv", "caddy"],
    update=True,
    cache_time=3600,
    no_recommends=True,
)
server.user(
    name="Make the user", user="notes", system=True, home="/var/lib/notes", shell="/usr/sbin/nologin", ensure_home=False
)
files.directory(name="Make the folder", path="/srv/notes/app", mode="755")
archive = files.put(name="Copy the app", src=ARCHIVE, dest="/srv/notes/app.tar.gz")
server.shell(
    name="Unpack the app",
    commands=["tar -xzf /srv/notes/app.tar.gz -C /srv/notes/app"],
    _if=archive.did_change,
)
if not host.get_fact(File, path="/opt/uv/bin/uv"):
    server.shell(
        name="Install uv",
        commands=[
            "python3 -m venv /opt/uv",
            f"/opt/uv/bin/pip install -q --disable-pip-version-check uv=={UV_VERSION}",
        ],
        _env={"PIP_CERT": "/etc/ssl/certs/ca-certificates.crt"},
    )
if not host.get_fact(File, path="/srv/notes/app/.venv/bin/fastapi"):
    server.shell(
        name="Install the app's dependencies",
        commands=["cd /srv/notes/app && /opt/uv/bin/uv sync --quiet --locked --no-dev --no-editable"],
        _env={
            "UV_COMPILE_BYTECODE": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
        },
    )
units = [
    files.template(
        name=f"Write {name}.service", src=f"templates/{name}.service.j2", dest=f"/etc/systemd/system/{name}.service"
    )
    for name in ("notes-migrate", "notes")
]
site = files.template(name="Write the site", src="templates/Caddyfile.j2", dest="/etc/caddy/Caddyfile", domain=DOMAIN)
files.template(name="Write the banner", src="templates/banner.j2", dest="/etc/notes-banner", banner=host.data.banner)
systemd.daemon_reload(name="Read the units", _if=lambda: any(unit.did_change() for unit in units))
systemd.service(name="Start the app", service="notes", running=True, enabled=True)
systemd.service(name="Start Caddy", service="caddy", running=True, enabled=True)
systemd.service(
    name="Restart the app",
    service="notes",
    restarted=True,
    _if=lambda: any(unit.did_change() for unit in units),
)
systemd.service(name="Reload Caddy", service="caddy", reloaded=True, _if=site.did_change)
health = f"curl -sfk --resolve {DOMAIN}:443:127.0.0.1 https://{DOMAIN}/health"
server.shell(
    name="Look at its health",
    commands=[f"for i in $(seq 60); do {health} && exit; sleep 0.5; done; exit 1"],
)
