"""An image VAE made into a Temporal Autoencoder."""
