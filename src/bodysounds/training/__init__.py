"""The training loop, its batches, augmentation schedule and checkpoints."""
