# What a competent operator writes once for the same job, without the safeguards: packages, uv, virtual environment,
# user, migration, unit, Caddy site, health check. Run as root in the unpacked source of the app.
set -eu
umask 022
app=/srv/notes/app
export DEBIAN_FRONTEND=noninteractive UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
apt-get update -q
apt-get install -y -q --no-install-recommends python3 python3-venv caddy
python3 -m venv /opt/uv
/opt/uv/bin/pip install -q --disable-pip-version-check "uv==$UV_VERSION"
useradd --system --home /var/lib/notes --shell /usr/sbin/nologin notes 2>/dev/null || :
cd "$app"
/opt/uv/bin/uv sync -q --locked --no-dev --no-editable
python3 -m compileall -q "$app/notes"
cat >/etc/systemd/system/notes-migrate.service <<UNIT
[Service]
Type=oneshot
RemainAfterExit=yes
User=notes
StateDirectory=notes
WorkingDirectory=$app
ExecStart=$app/.venv/bin/alembic upgrade head
UNIT
cat >/etc/systemd/system/notes.service <<UNIT
[Unit]
Requires=notes-migrate.service
After=notes-migrate.service
[Service]
User=notes
StateDirectory=notes
WorkingDirectory=$app
ExecStart=$app/.venv/bin/fastapi run --workers 2 --host 127.0.0.1 --port 8000
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
cat >/etc/caddy/Caddyfile <<SITE
{
	local_certs
	skip_install_trust
}
notes.bench.internal {
	reverse_proxy 127.0.0.1:8000
}
SITE
systemctl daemon-reload
systemctl enable -q --now notes.service
systemctl reload-or-restart caddy
for _ in $(seq 1 120); do
	curl -sfk --resolve notes.bench.internal:443:127.0.0.1 https://notes.bench.internal/health && exit
	sleep 0.25
done
exit 1
