#!/bin/sh
# The power switch of a host, in a file: `off`, `is-off`, `check`. A real one would call ipmitool, or the host's management.
read -r told                                  # what it is called for, as JSON
what="${LIFEBOAT_SOURCE:-all of $LIFEBOAT_SITE}"
case "$1" in
    off) echo "$what" >> powered-off.txt; echo "told $what to go off" ;;
    is-off) grep -q -x "$what" powered-off.txt && echo "power of $what: off" ;;
    check) echo "the switch of $what answers" ;;
esac
