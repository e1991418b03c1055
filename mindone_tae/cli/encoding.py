"""Clips to latents, batch by batch, with the facts stored beside each latent."""

import json

import numpy as np

from mindone_tae.zoo import UserError

from .factors import warn_of_factors

CONVENTIONS = ("none", "mindone", "diffusers")


class ClipEncoder:
    """Encodes clips of one shape at a time.

    Args:
        model: built.
        section: the recipe's model section.
        convention: "none", "mindone" or "diffusers".
        seed: of samples, each drawn by the seed and the clip's name alone; None keeps mean and logvar.

    Attributes:
        shared: facts stored with every latent.

    Raises:
        UserError: the model does not encode, or has no factors to scale by.
    """

    def __init__(self, model, section, convention, seed):
        from mindone_tae.weights.digest import weights_sha256

        if not hasattr(model, "encode"):
            raise UserError(f"model '{section['name']}' has no encode; latents need one: take another model")
        self.model, self.convention, self.seed = model, convention, seed
        self.factors = {name: getattr(model, name, None) for name in ("scaling_factor", "shift_factor")}
        if convention != "none" and (None in self.factors.values() or not self.factors["scaling_factor"]):
            told = " and ".join(f"{name} {value}" for name, value in self.factors.items())
            raise UserError(
                f"model '{section['name']}' has {told}; --convention {convention} needs both, the first not 0: "
                "leave it out"
            )
        if convention != "none":
            warn_of_factors(section, convention, self.factors)
        # through JSON, to compare equal with stored facts
        settings = json.loads(
            json.dumps({key: value for key, value in section.items() if key not in ("name", "pretrained")})
        )
        noted = {
            "name": section["name"],
            "pretrained": section.get("pretrained"),
            "settings": settings,
            "sha256": weights_sha256(model),
        }
        self.shared = {"scaling_convention": convention, **self.factors, "seed": seed, "model": noted}

    def encode(self, group, counted):
        """The LatentClips of clips of one shape.

        Args:
            group: Wanted of each.
            counted: their chunks, see Counted.

        Raises:
            UnreadableVideo: one of them cannot be read, or gives latents that are not finite.
        """
        from mindone_tae.data import LatentClip, UnreadableVideo

        from .streams import joined, posteriors

        found = []
        parts = (self._scaled(*part) for part in posteriors(self.model, counted))
        latent_size = self._latent_size(group[0].clip.frames, group[0].size)
        for wanted, mean, logvar in zip(group, *joined(parts, latent_size and latent_size[0])):
            arrays = self._arrays(wanted.name, mean, logvar)
            if not all(np.isfinite(array).all() for array in arrays.values()):
                raise UnreadableVideo(
                    wanted.clip.path or wanted.name, "its latents are not finite; model.dtype float32 has the range"
                )
            facts = {**wanted.expected, "frames": counted.frames, "size": counted.size, "source": wanted.name}
            found.append(LatentClip(**{"mean": None, "logvar": None, **arrays}, **facts))
        return found

    def _scaled(self, mean, logvar):
        """Mean and logvar as they are stored; a sample is scaled when it is drawn."""
        from mindone_tae.models.latent.scaling import scale_posterior

        return (
            (mean, logvar)
            if self.convention == "none" or self.seed is not None
            else scale_posterior(mean, logvar, self.convention, **self.factors)
        )

    def _latent_size(self, frames, size):
        """(lt, lh, lw) of a clip, None where the model or the dataset does not say."""
        return (
            self.model.latent_size((frames, *size)) if hasattr(self.model, "latent_size") and frames and size else None
        )

    def _arrays(self, name, mean, logvar):
        from mindone_tae.models.latent.scaling import scale_latents

        if self.seed is None:
            return {"mean": mean, "logvar": logvar}
        noise = np.random.default_rng([self.seed, *name.encode("utf-8", "surrogateescape")]).standard_normal(
            mean.shape, dtype=np.float32
        )
        # mean + exp(logvar / 2) * noise, in place: an hour's arrays are large
        logvar *= 0.5
        noise *= np.exp(logvar, out=logvar)
        noise += mean
        return {"sample": noise if self.convention == "none" else scale_latents(noise, self.convention, **self.factors)}

    def latent_bytes(self, frames, size):
        """Bytes of a clip's latent, None for a model that does not say."""
        latent_size = self._latent_size(frames, size)
        if latent_size is None or not hasattr(self.model, "latent_channels"):
            return None
        return int(np.prod(latent_size)) * self.model.latent_channels * 4 * (2 if self.seed is None else 1)


class Wanted:
    """A clip to encode, and the facts that its latent will have.

    Args:
        clip: a Clip.
        size: (h, w) that it is encoded at; None where it is not known.
        shared: of the ClipEncoder.

    Raises:
        UnreadableVideo: the file has changed since its manifest was written.
    """

    def __init__(self, clip, size, shared):
        from mindone_tae.data import UnreadableVideo
        from mindone_tae.data.files.manifest import file_state
        from mindone_tae.data.latents.clip import checked_name
        from mindone_tae.data.transforms import crop_box

        self.clip, self.size = clip, size
        self.name = checked_name("the data set", clip.name)
        state = file_state(clip.path) if clip.path else None
        if state and clip.file_bytes and state[0] not in (0, clip.file_bytes):
            raise UnreadableVideo(
                clip.path, "it has changed since the manifest was written: repeat mindone-tae check-data with --resume"
            )
        self.expected = {**shared, "fps": clip.fps, "source_state": state}
        if clip.frames:
            self.expected["frames"] = clip.frames
        if size:
            self.expected["size"] = tuple(size)
        if size and clip.streams:  # a stream shows the centre, see `TAEVideoDataset.stream`
            self.expected["crop"] = crop_box(*clip.size, size)

    @property
    def shape(self):
        """Key that is equal for clips that can be encoded in one batch."""
        return (self.clip.frames, *self.size) if self.size else (0, self.clip.index)


class Counted:
    """Chunks passed on, their frames counted and shown.

    Args:
        chunks: arrays (b, c, t_chunk, h, w).
        advance: called with the frames of each chunk, of all its clips.
    """

    def __init__(self, chunks, advance=lambda frames: None):
        self.chunks, self.advance = chunks, advance
        self.frames, self.size = 0, None

    def __iter__(self):
        for chunk in self.chunks:
            self.frames, self.size = self.frames + chunk.shape[2], tuple(chunk.shape[3:])
            yield chunk
            self.advance(len(chunk) * chunk.shape[2])


class Sizes:
    """The size (h, w) that clips are encoded at, looked up in one clip of each source size."""

    def __init__(self):
        self._known = {}

    def of(self, clip):
        """The size of a clip, None where its dataset does not say the source's.

        Raises:
            UnreadableVideo: it had to be opened, and could not be.
        """
        if clip.size is None:
            return None
        if clip.size not in self._known:
            chunks = clip.chunks()
            self._known[clip.size] = tuple(next(chunks).shape[2:])
            chunks.close()
        return self._known[clip.size]
