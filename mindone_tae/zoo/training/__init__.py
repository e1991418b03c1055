"""Training and evaluation of any model: the trainer, its loop, the step that changes weights, batches, evaluations."""
