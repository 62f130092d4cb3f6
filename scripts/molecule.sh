#!/usr/bin/env bash
# Runs scenarios of Molecule in a sandbox that is up, in the order in which they are given, and tells how long each took. Scenarios
# that share hosts run one after the other, and the rest, which wait for the APIs most of the time, beside them.
set -euo pipefail

logs=tests/output/molecule
mkdir -p "$logs"
results=$(mktemp --directory)
trap 'rm -rf "$results"' EXIT

run() {
  local scenario started ended
  for scenario; do
    started=$SECONDS
    echo "Scenario $scenario begins: $logs/$scenario.log"
    ended=passed
    # What Molecule remembers of its hosts belongs to this sandbox.
    MOLECULE_EPHEMERAL_DIRECTORY=$GCP_EMULATOR_HOME/molecule/$scenario \
      molecule --base-config molecule/config.yml test --scenario-name "$scenario" >"$logs/$scenario.log" 2>&1 || ended=failed
    [ $ended = passed ] || cat "$logs/$scenario.log"
    printf '%6d s  %-15s %s\n' "$((SECONDS - started))" "$scenario" $ended | tee "$results/$scenario"
  done
}

on_hosts=() others=()
for scenario; do
  if grep --quiet shared/create.yml "molecule/$scenario/molecule.yml"; then
    on_hosts+=("$scenario")
  else
    others+=("$scenario")
  fi
done
run "${others[@]}" &
run "${on_hosts[@]}"
wait

echo
cat "$results"/*
printf '%6d s  altogether\n' "$SECONDS"
! grep --quiet failed "$results"/*
