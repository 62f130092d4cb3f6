#!/usr/bin/env bash
# ansible-test sanity wants a git repository below ansible_collections/, with nothing in it but the collection.
set -euo pipefail

checkout=$(git rev-parse --show-toplevel)
copy=$checkout/.cache/sanity/ansible_collections/mlops/mlflow
home=$checkout/.cache/sanity/home

rm -rf "$copy"
mkdir -p "$copy" "$home/.ansible/test/cache"
# What is deleted and not committed yet is still in the list: tar passes over it.
git -C "$checkout" ls-files -z --cached --others --exclude-standard -- \
  galaxy.yml meta plugins roles playbooks README.md LICENSE CHANGELOG.md changelogs docs tests/config.yml |
  tar --create --ignore-failed-read --directory="$checkout" --null --files-from=- | tar --extract --directory="$copy"
git -C "$copy" init --quiet
git -C "$copy" add --all

# Each test makes an environment of its own and fetches pip for it from a site that is often out of reach.
# The pip that Python carries does as well.
printf 'import ensurepip\nensurepip.bootstrap()\n' >"$home/.ansible/test/cache/get_pip_24_2.py"

cd "$copy"
HOME=$home PATH=$checkout/.venv/bin:$PATH "$checkout/.venv/bin/ansible-test" sanity \
  --python "$("$checkout/.venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" --color yes "$@"
