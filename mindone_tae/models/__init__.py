"""The network: layers, encoder and decoder, posterior, the autoencoder."""
