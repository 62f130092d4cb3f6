#!/usr/bin/env bash
# Installs what the sandbox needs of this machine, and the packages that are named besides, as far as they are missing; on
# Debian and its descendants.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

has_engine() {
  command -v dockerd >/dev/null || [ -x /usr/sbin/dockerd ] || [ -n "${DOCKER_HOST:-}" ] || [ -S /var/run/docker.sock ]
}

wanted=(python3-venv mmdebstrap debian-archive-keyring iproute2 openssh-client "$@")
has_engine || wanted+=(docker.io iptables)

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  say "This is not a Debian system. Install the equivalents of: ${wanted[*]}"
  exit 1
fi

installed() { [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=()
for package in "${wanted[@]}"; do
  installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=(env)
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    say "These packages are missing, and installing them takes root: ${missing[*]}"
    exit 1
  }
  as_root=(sudo)
fi

# The sandbox starts an engine of its own and takes it away again: the packages' services, which would claim the
# machine's firewall at every boot, stay off. Whoever wants them enables them.
services=()
if [[ " ${missing[*]} " == *" docker.io "* ]] && [ -d /run/systemd/system ]; then
  services=(docker.service docker.socket)
  installed containerd || services+=(containerd.service)
fi

say "Installing ${missing[*]}"
log=$(mktemp)
exec 3>&2 >"$log" 2>&1
trap 'cat "$log" >&3' ERR
trap 'rm -f "$log"' EXIT
[ ${#services[@]} -eq 0 ] || "${as_root[@]}" systemctl mask "${services[@]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${missing[@]}"
if [ ${#services[@]} -gt 0 ]; then
  "${as_root[@]}" systemctl unmask "${services[@]}"
  "${as_root[@]}" systemctl disable "${services[@]}"
fi
