local actions = {}
actions["reconcile"] = { ["iconClass"] = "fa fa-fw fa-sync" }
if obj.spec.suspend == true then
  actions["resume"] = { ["iconClass"] = "fa fa-fw fa-play" }
else
  actions["suspend"] = { ["iconClass"] = "fa fa-fw fa-pause" }
end
return actions
