"""Reading, resampling, packing, front ends, augmentation and descriptors of sound."""
