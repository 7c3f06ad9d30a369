"""Makes what the Go front end for voices is held to: mel bins that Kaldi's own code computes, and small files that libsndfile wrote.

The sounds are computed here, and in the tests by the same formulas; nobody's voice is in them.

    python -m venv /tmp/reference && /tmp/reference/bin/pip install kaldi-native-fbank==1.23.0 soundfile==0.14.0 numpy
    /tmp/reference/bin/python tools/reference/voice.py pkg/engine/voice/testdata
"""

import json
import pathlib
import sys

import kaldi_native_fbank
import numpy as np
import soundfile

RATE = 16000
BINS = 80


def chirp():
    """A second of a rising tone that fades, over noise."""
    t = np.arange(RATE) / RATE
    state, noise = 1, []
    for _ in range(RATE):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        noise.append(state / 2**31 - 1)
    return 0.4 * np.exp(-2 * t) * np.sin(2 * np.pi * (100 * t + 1950 * t * t)) + 0.01 * np.array(noise)


def glide(rate):
    """Half a second of a tone that rises from 440 to 880 Hz."""
    t = np.arange(rate // 2) / rate
    return 0.5 * np.sin(2 * np.pi * (440 * t + 440 * t * t))


def bins(samples):
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.samp_freq = RATE
    options.mel_opts.num_bins = BINS
    options.energy_floor = 0
    fbank = kaldi_native_fbank.OnlineFbank(options)
    fbank.accept_waveform(RATE, samples.astype(np.float32).tolist())
    fbank.input_finished()
    rows = np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])
    return rows - rows.mean(0)


def main():
    folder = pathlib.Path(sys.argv[1])
    rows = bins(chirp())
    some = {str(i): [round(float(v), 5) for v in rows[i]] for i in range(0, len(rows), 24)}
    (folder / "fbank.json").write_text(json.dumps({"frames": len(rows), "rows": some}) + "\n")
    both = np.stack([glide(48000), glide(48000)], 1)
    soundfile.write(folder / "glide.flac", glide(RATE), RATE, subtype="PCM_16")
    soundfile.write(folder / "glide.opus", glide(48000), 48000, format="OGG", subtype="OPUS")
    soundfile.write(folder / "glide_stereo.opus", both, 48000, format="OGG", subtype="OPUS")
    soundfile.write(folder / "glide.mp3", glide(RATE), RATE, format="MP3")
    soundfile.write(folder / "glide.ogg", glide(RATE), RATE, format="OGG", subtype="VORBIS")


if __name__ == "__main__":
    main()
