#!/bin/sh
# Runs a schedule and waits for its end, as a job of a CI system: fails unless every job of the run succeeded.
#
#   run-and-wait.sh SCHEDULE [TIMEOUT]
#
# In the environment:
#   THEMIS_MAINTENANCE_URL         the service, for example https://maintenance.example:8443
#   THEMIS_MAINTENANCE_TOKEN_FILE  a file with a token of the scope maintenance:write (or THEMIS_MAINTENANCE_TOKEN)
#   RUN_KEY                        what is the same when a runner is lost and its job starts again by itself, for example the pipeline's id
#                                  and the number of the attempt: the run is then started once and waited for again. A job that failed is
#                                  not run again under its key, so a retry by hand needs another one. Without it every call is a run of its own.
#   THEMIS_MAINTENANCE             the program; by default themis-maintenance is looked for in PATH
#
# Exit codes: 0 SUCCEEDED, 1 the run ended otherwise or was refused, 64 wrong usage, 69 the service cannot be reached,
# 75 not over in time (it goes on), 77 the token does not suffice, 78 address or token are missing.
set -eu

program=${THEMIS_MAINTENANCE:-themis-maintenance}
case $# in
  1 | 2) ;;
  *)
    echo "usage: $0 SCHEDULE [TIMEOUT]" >&2
    exit 64
    ;;
esac
schedule=$1
timeout=${2:-1h}

set -- --wait --timeout "$timeout"
if [ -n "${RUN_KEY:-}" ]; then
  set -- "$@" --idempotency-key "$RUN_KEY"
fi

# Progress goes to standard error, the job's record to standard output; both stand in the CI system's log.
code=0
"$program" ctl run "$@" -- "$schedule" || code=$?
case $code in
  0) echo "$schedule: succeeded" ;;
  75) echo "$schedule: not over after $timeout; the run goes on" >&2 ;;
  *) echo "$schedule: not done (exit code $code)" >&2 ;;
esac
exit "$code"
