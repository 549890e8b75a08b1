-- What kstatus says too, with one word more. Late data and failed rules are conditions of their own (Fresh, QualityPassed): a sync
-- does not fail for them. What is suspended is Healthy, since a sync in several waves would wait for ever for Suspended.
local health = { status = "Progressing", message = "Waiting for the controller" }
if obj.spec ~= nil and obj.spec.suspend == true then
  return { status = "Healthy", message = "Suspended by spec.suspend" }
end
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "Waiting for the controller to see the change"
  return health
end
local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local reconciling, stalled, ready = conditions["Reconciling"], conditions["Stalled"], conditions["Ready"]
if reconciling ~= nil and reconciling.status == "True" then
  return { status = "Progressing", message = reconciling.message }
end
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = stalled.message }
end
if ready ~= nil then
  health.message = ready.message
  if ready.status == "True" then
    health.status = "Healthy"
  end
end
return health
