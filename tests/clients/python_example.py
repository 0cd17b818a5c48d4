"""Creates a schedule, runs it, waits for its job, reads what it did, and deletes the schedule.

The package `maintenance_client` is generated:
openapi-python-client generate --path openapi.json --meta none --output-path maintenance_client
"""

import os
import sys

from httpx import Timeout
from maintenance_client import AuthenticatedClient
from maintenance_client.api.jobs import get_job
from maintenance_client.api.schedules import create_schedule, delete_schedule, run_schedule
from maintenance_client.models import Job, JobState, RunRequest, Schedule, ScheduleRequest, TaskDetailsRequest, TaskType

url, token = os.environ["THEMIS_MAINTENANCE_URL"], os.environ["THEMIS_MAINTENANCE_TOKEN"]
client = AuthenticatedClient(base_url=url, token=token, timeout=Timeout(60), raise_on_unexpected_status=True)

# create
compact = TaskDetailsRequest(task_type=TaskType.STORAGE_COMPACTION, timeout_seconds=60)
schedule = create_schedule.sync(
    client=client,
    body=ScheduleRequest(
        id="from-python", name="From Python", cron_expression="0 2 * * *", tasks=[TaskType.METRICS_COLLECTION, compact]
    ),
)
if not isinstance(schedule, Schedule):
    sys.exit(f"not created: {schedule}")

# run
job = run_schedule.sync(schedule.id, client=client, body=RunRequest(force=True))

# wait
while isinstance(job, Job) and job.state in (JobState.PENDING, JobState.RUNNING):
    job = get_job.sync(job.id, client=client, wait=30)

# read
if not isinstance(job, Job) or job.state is not JobState.SUCCEEDED:
    sys.exit(f"did not succeed: {job}")
for task in job.tasks:
    print(task.name, task.state, task.duration_ms)

# delete
problem = delete_schedule.sync(schedule.id, client=client)
if problem is not None:
    sys.exit(f"not deleted: {problem}")
