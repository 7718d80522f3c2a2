#!/bin/sh
# Notes what was done, and for what.
set -eu
echo "$1 ($LIFEBOAT_WHEN ${LIFEBOAT_REPLICA:-$LIFEBOAT_PLAN}, ${LIFEBOAT_OPERATION:-several operations})" >>notes.txt
