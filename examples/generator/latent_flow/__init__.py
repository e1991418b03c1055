"""A small generator of videos: flow matching on the latents that `mindone-tae encode` writes."""
