#!/bin/bash
# Records the sample captures of pcaps/ from real servers and real clients.
#
#   record.sh [-o DIRECTORY] [SCENARIO...]     default: all, into ../../pcaps
#   record.sh -l                               list the scenarios
#
# Run as root on Debian 12. Missing packages are installed first. Everything
# runs in network namespaces named tt-*, which are removed at the end together
# with every process started here. KEEP=1 keeps the work directory with its logs.
set -euo pipefail
# shellcheck source=lab.sh
source "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

OUT=$LAB/../../pcaps
while getopts o:l option; do
    case $option in
        o) OUT=$OPTARG ;;
        l) for file in "$LAB"/scenarios/*.sh; do printf '%-32s %s\n' "$(basename "$file" .sh)" "$(sed -n '1s/^# //p' "$file")"; done; exit ;;
        *) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
(($#)) || set -- "$LAB"/scenarios/*.sh

scenarios=()
for name; do
    file=$LAB/scenarios/$(basename "$name" .sh).sh
    [[ -f $file ]] || die "no scenario $name (record.sh -l lists them)"
    scenarios+=("$file")
done
((EUID == 0)) || die "must be run as root: it makes network namespaces"
exec 9>/run/lock/tokentrail-lab.lock
flock -n 9 || die "another recording is running"
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)

install_packages
for file in "${scenarios[@]}"; do
    run_scenario "$file"
done
