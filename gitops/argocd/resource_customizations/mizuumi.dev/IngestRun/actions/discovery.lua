local actions = {}
actions["reconcile"] = { ["iconClass"] = "fa fa-fw fa-sync" }
local phase = obj.status and obj.status.phase
if obj.spec.cancel ~= true and phase ~= "Succeeded" and phase ~= "Failed" then
  actions["cancel"] = { ["iconClass"] = "fa fa-fw fa-stop" }
end
return actions
