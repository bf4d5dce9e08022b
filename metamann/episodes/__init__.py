"""What a task is: episodes and streams, the protocols that plan them, the sampler, saved task lists."""
