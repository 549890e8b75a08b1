//! F1: the controller is killed at every request that it makes.

use super::Trial;
use super::trial::Point;
use crate::cluster_story::ClusterStory;
use crate::story::Story;

/// Before each call to AWS and each request to the apiserver; at writes also after the effect, and with a late effect.
pub(super) async fn everywhere(trial: &Trial) {
    let (mut calls, mut requests) = (0, 0);
    for story in Story::ALL {
        let reference = story.reference().await;
        let mut deaths = reference.deaths_at_the_apiserver();
        requests += deaths.len();
        let at_aws = reference.deaths();
        calls += at_aws.len();
        deaths.extend(at_aws);
        let points = deaths.into_iter().map(|death| {
            let reference = &reference;
            let point = async move {
                let ended = story.with_death(death, reference).await;
                Point { finding: ended.finding, seconds: ended.seconds }
            };
            (format!("{story:?}, {death:?}"), point)
        });
        trial.points(points).await;
    }
    trial.note(format!("{calls} deaths at calls to AWS, {requests} at requests to the apiserver"));
}

/// The same for clusters.
pub(super) async fn clusters(trial: &Trial) {
    let (mut calls, mut requests) = (0, 0);
    for story in ClusterStory::ALL {
        let reference = story.reference().await;
        let mut deaths = reference.deaths_at_the_apiserver();
        requests += deaths.len();
        let at_aws = ClusterStory::deaths(&reference);
        calls += at_aws.len();
        deaths.extend(at_aws);
        let points = deaths.into_iter().map(|death| {
            let reference = &reference;
            let point = async move {
                let ended = story.with_death(death, reference).await;
                trial.clusters(ended.counted);
                Point { finding: ended.finding, seconds: ended.seconds }
            };
            (format!("{story:?}, {death:?}"), point)
        });
        trial.points(points).await;
    }
    trial.note(format!("{calls} deaths at calls to EMR, {requests} at requests to the apiserver"));
}
