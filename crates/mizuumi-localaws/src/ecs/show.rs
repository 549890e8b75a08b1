//! A task as ECS shows it.

use serde_json::{Value, json};

use super::input::text;
use super::life::{Fate, Millis, State};
use super::tasks::Task;
use super::time;

impl Task {
    /// The task as of a time, if it was there.
    pub(super) fn shown(&self, seen: Millis, with_tags: bool) -> Option<Value> {
        let state = self.life.state_at(seen)?;
        let mut shown = Value::Object(self.record.clone());
        shown["lastStatus"] = json!(state.name());
        shown["desiredStatus"] = json!(self.desired(seen));
        shown["createdAt"] = time(self.life.created());
        for (member, of) in [
            ("pullStartedAt", State::Pending),
            ("pullStoppedAt", State::Running),
            ("startedAt", State::Running),
            ("stoppingAt", State::Deactivating),
            ("stoppedAt", State::Stopped),
        ] {
            if let Some(at) = self.life.since(of).filter(|at| *at <= seen) {
                shown[member] = time(at);
            }
        }
        let stop = self.life.stop.as_ref().filter(|stop| stop.at <= seen);
        if let Some(stop) = stop {
            shown["stopCode"] = json!(stop.code);
            shown["stoppedReason"] = json!(stop.reason);
        }
        let exit = self.life.exit.as_ref().filter(|exit| exit.at <= seen);
        if let Some(exit) = exit {
            shown["executionStoppedAt"] = time(exit.at);
        }
        // A container knows fewer states than its task.
        let status = match state {
            State::Provisioning | State::Pending => "PENDING",
            State::Stopped | State::Deprovisioning => "STOPPED",
            _ if exit.is_some() => "STOPPED",
            _ => "RUNNING",
        };
        let mut container = json!({
            "containerArn": format!("{}/work", self.arn.replacen(":task/", ":container/", 1)),
            "taskArn": self.arn, "name": text(&self.container, "name"), "image": text(&self.container, "image"),
            "lastStatus": status, "networkBindings": [], "networkInterfaces": [], "healthStatus": "UNKNOWN",
        });
        if let Some(exit) = exit {
            if let Some(code) = exit.code {
                container["exitCode"] = json!(code);
            }
            if let Some(reason) = &exit.reason {
                container["reason"] = json!(reason);
            }
        } else if let (Some(stop), Some(Fate::NoImage)) = (stop, self.life.fate) {
            container["reason"] = json!(stop.reason);
        }
        shown["containers"] = json!([container]);
        if with_tags {
            shown["tags"] = json!(self.tags);
        }
        Some(shown)
    }
}
