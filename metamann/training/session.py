from metamann.training.loop import meta_train


def run_session(
    learner,
    sampler,
    validate,
    trainer,
    record,
    checkpoints,
    identity,
    resumed=None,
    monitor="accuracy",
    should_stop=None,
    shield=None,
):
    meta_train(learner, sampler, validate, trainer, record, checkpoints, identity, resumed, shield)
