#!/bin/sh
# Runs a server and keeps what goes in and what comes out:  witness.sh DIRECTORY COMMAND [ARG...]
kept=$1
shift
tee "$kept/heard" | "$@" | tee "$kept/said"
