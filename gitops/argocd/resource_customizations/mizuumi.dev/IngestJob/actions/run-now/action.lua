-- A run for now, whatever the schedule says, and though the job is suspended. For another session: mizuumi run JOB --at TIME.
local os = require("os")
local spec = obj.spec.run
spec.sessionTime = os.date("!%Y-%m-%dT%XZ")
local run = {
  ["apiVersion"] = obj.apiVersion,
  ["kind"] = "IngestRun",
  ["metadata"] = {
    ["name"] = obj.metadata.name .. "-" .. os.date("!%Y%m%dt%H%M%Sz") .. "-r0",
    ["namespace"] = obj.metadata.namespace,
    ["labels"] = { ["mizuumi.dev/job"] = obj.metadata.name },
    -- As the controller makes it: the run goes with its job.
    ["ownerReferences"] = {
      {
        ["apiVersion"] = obj.apiVersion,
        ["kind"] = obj.kind,
        ["name"] = obj.metadata.name,
        ["uid"] = obj.metadata.uid,
        ["controller"] = true,
        ["blockOwnerDeletion"] = true,
      },
    },
  },
  ["spec"] = spec,
}
return { { ["operation"] = "create", ["resource"] = run } }
