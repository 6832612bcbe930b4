#!/bin/bash
# Checks recorded captures with tshark and lists their requests.
#
#   check.sh [FILE...]       default: everything in ../../pcaps
#
# Wrong: a bad checksum, a lost segment, an address that is not the lab's, more
# than 150 KB, a request without a reply.
set -euo pipefail
LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
(($#)) || set -- "$LAB"/../../pcaps/*.pcap "$LAB"/../../pcaps/*.pcapng
OPTIONS=(-o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE)
# net FIELD: FIELD is an address of the lab
net() { printf '(%s==198.51.100.0/24 || %s==203.0.113.0/24 || %s==192.0.2.0/24 || %s==10.0.1.0/24)' "$1" "$1" "$1" "$1"; }
FOREIGN="(ip && !($(net ip.src) && $(net ip.dst)))"
FOREIGN+=' || (ipv6 && !(ipv6.src==2001:db8::/32 && ipv6.dst==2001:db8::/32) && !icmpv6)'
bad=0

# frames FILE FILTER: how many frames match
frames() { tshark -2 -r "$1" "${OPTIONS[@]}" -Y "$2" 2>/dev/null | wc -l; }

# expect_none FILE FILTER WHAT
expect_none() {
    local count
    count=$(frames "$1" "$2")
    if ((count)); then
        printf '  WRONG: %s (%d frames)\n' "$3" "$count"
        bad=1
    fi
}

for file; do
    size=$(stat -c %s "$file")
    printf '%s: %d bytes, %d frames\n' "$(basename "$file")" "$size" "$(frames "$file" frame)"
    ((size < 150000)) || { echo '  WRONG: larger than 150 KB'; bad=1; }
    expect_none "$file" 'ip.checksum.status==0 || tcp.checksum.status==0 || udp.checksum.status==0' 'bad checksum'
    expect_none "$file" 'tcp && tcp.checksum.status!=1' 'unverified checksum'
    expect_none "$file" 'tcp.analysis.lost_segment' 'lost segment'
    expect_none "$file" "$FOREIGN" 'a packet that is not the lab'\''s'
    expect_none "$file" 'http.request && !http.response_in' 'request without a reply'
    tshark -r "$file" -Y 'http.request || http2.headers.method' -T fields -E separator=' ' \
        -e frame.number -e frame.time_relative -e ip.src -e ipv6.src -e http.request.method -e http2.headers.method \
        -e http.host -e http2.headers.authority -e http.request.uri -e http2.headers.path 2>/dev/null |
        awk '{ $2 = sprintf("%.1fs", $2); print "   ", $0 }'
done
exit $bad
