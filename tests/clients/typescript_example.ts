// Creates a schedule, runs it, waits for its job, reads what it did, and deletes the schedule.
//
// The types are generated:
// npx openapi-typescript openapi.json --default-non-nullable=false --output maintenance.d.ts
import createClient from "openapi-fetch";
import type { paths } from "./maintenance.js";

const { THEMIS_MAINTENANCE_URL: baseUrl, THEMIS_MAINTENANCE_TOKEN: token } = process.env;
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

// create
const created = await client.POST("/api/v1/maintenance/schedules", {
  body: {
    id: "from-typescript",
    name: "From TypeScript",
    cron_expression: "0 2 * * *",
    tasks: ["METRICS_COLLECTION", { task_type: "STORAGE_COMPACTION", timeout_seconds: 60 }],
  },
});
if (!created.data) throw new Error(`not created: ${created.error.detail}`);
const schedule = { path: { id: created.data.id } };

// run
const run = await client.POST("/api/v1/maintenance/schedules/{id}/run", { params: schedule, body: { force: true } });
if (!run.data) throw new Error(`not run: ${run.error.detail}`);
let job = run.data;

// wait
while (job.state === "PENDING" || job.state === "RUNNING") {
  const params = { path: { id: job.id }, query: { wait: 30 } };
  const { data, error } = await client.GET("/api/v1/maintenance/jobs/{id}", { params });
  if (error) throw new Error(`not read: ${error.detail}`);
  job = data;
}

// read
if (job.state !== "SUCCEEDED") throw new Error(`did not succeed: ${job.error_message}`);
for (const task of job.tasks) console.log(task.name, task.state, task.duration_ms);

// delete
const { error } = await client.DELETE("/api/v1/maintenance/schedules/{id}", { params: schedule });
if (error) throw new Error(`not deleted: ${error.detail}`);
