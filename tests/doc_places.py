"""What stands in for the corpora and published weights that README and docs name by a path."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from bodysounds.corpora.demo import DemoParams, synthesise
from bodysounds.corpora.demo_cry_scream import CryScreamParams, synthesise_cry_scream
from bodysounds.corpora.demo_respiratory import RespiratoryParams, synthesise_respiratory
from bodysounds.corpora.demo_speakers import SpeakersParams
from bodysounds.corpora.demo_voxceleb import synthesise_voxceleb
from bodysounds.corpora.demo_zalo import ZaloParams, synthesise_zalo

SPEAKERS = {"n_train": 14, "videos": [2, 3], "utterances": [2, 2]}


def cryceleb(folder: Path) -> None:
    babies = {"n_train": 12, "n_train_one_period": 2, "n_dev": 6, "n_test": 8}
    synthesise(folder, DemoParams(**babies, segments=[2, 3]))


def demo_cries(folder: Path) -> None:
    """The demo's cries, fewer, with those of its infants that the docs name."""
    synthesise(folder, DemoParams(n_train=4, n_dev=8, n_test=10, segments=[3, 3]))
    named = {"dev": ["0082"], "test": ["0009", "0011", "0099", "0130"]}
    for subset, ids in named.items():
        for infant, own in zip(sorted((folder / "audio" / subset).iterdir()), ids, strict=False):
            for path in infant.glob("*/*.wav"):
                path.rename(path.with_name(path.name.replace(infant.name, own)))
            infant.rename(infant.with_name(own))


def pairs(path: Path) -> None:
    """A table of two pairs of the recordings beside it."""
    folder = path.parent / f"{path.stem}_recordings"
    some_recordings(folder)
    rows = [f"{folder.name}/0.wav,{folder.name}/{number}.wav,{2 - number}" for number in (1, 2)]
    path.write_text("\n".join(["enrol,test,target", *rows]) + "\n")


def zalo(folder: Path) -> None:
    synthesise_zalo(folder, ZaloParams(**SPEAKERS, n_test=8, n_duplicates=2))


def cries_and_screams(folder: Path) -> None:
    synthesise_cry_scream(folder, CryScreamParams(n_train=24, recordings=[1, 2]))


def breath(folder: Path) -> None:
    synthesise_respiratory(folder, RespiratoryParams(n_train=30, recordings=[1, 2], cycles=[3, 5]))


def voices(folder: Path, **more: int) -> list[Path]:
    """Make wav/<speaker>/<video>/<utterance>.wav, and return them."""
    synthesise_voxceleb(folder, SpeakersParams(**{**SPEAKERS, **more}))
    return sorted(folder.glob("wav/*/*/*.wav"))


def voxceleb(folder: Path) -> None:
    """VoxCeleb with the list O-cleaned, of the last six speakers."""
    said = {path: path.parts[-3] for path in voices(folder)}
    tested = sorted(set(said.values()))[-6:]
    paths = [path for path, speaker in said.items() if speaker in tested]
    rows = [
        f"{int(said[one] == said[two])} {'/'.join(one.parts[-3:])} {'/'.join(two.parts[-3:])}"
        for number, one in enumerate(paths)
        for two in paths[number + 1 :]
    ]
    (folder / "veri_test2.txt").write_text("\n".join(rows) + "\n")


def own_folder(folder: Path) -> None:
    """A folder as anybody has one: recordings of babies or speakers, and a table."""
    paths = voices(folder)
    table = pd.DataFrame({"file_name": [path.relative_to(folder).as_posix() for path in paths]})
    table["baby_id"] = table["speaker_id"] = [path.parts[-3] for path in paths]
    table["session"] = [path.parts[-2] for path in paths]
    # two corpora of half the people each
    table["corpus"] = [f"corpus {int(path.parts[-3][2:]) % 2}" for path in paths]
    table.to_csv(folder / "metadata.csv", index=False)


def emogator(folder: Path) -> None:
    """Bursts of voices, named person-category-take.mp3."""
    takes: dict[str, int] = {}
    for path in voices(folder / "voices"):
        person = path.parts[-3][2:]
        takes[person] = takes.get(person, 0) + 1
        sound, rate = soundfile.read(path)
        name = f"{int(person):06d}-{takes[person] % 3:02d}-{takes[person]}.mp3"
        soundfile.write(folder / name, sound, rate, format="MP3")
    shutil.rmtree(folder / "voices")


def donateacry(folder: Path) -> None:
    """Cries named by install, time, version, sex, age and reason, by two apps."""
    folder.mkdir()
    installs: dict[str, int] = {}
    for number, path in enumerate(voices(folder / "voices", n_train=24)):
        baby = installs.setdefault(path.parts[-3], len(installs))
        letters = f"{baby:08x}-0000-4000-8000-{baby:012x}"
        # pairs stay within an app: a fold needs several babies of one
        android = baby % 6 == 0
        time = 1_430_000_000 + 10_000 * number
        stamp = f"{letters}-{time}000-1.7" if android else f"{letters.upper()}-{time}-1.0"
        sound, rate = soundfile.read(path)
        soundfile.write(folder / f"{stamp}-m-26-hu.wav", sound, rate)
    shutil.rmtree(folder / "voices")


def recording(path: Path, pitch: float = 420.0) -> None:
    """Ten seconds of a voice that comes and goes."""
    rate = 16_000
    time = np.arange(10 * rate) / rate
    tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 9))
    noise = np.random.default_rng(0).normal(0, 0.01, time.size)
    loud = np.clip(np.sin(2 * np.pi * 0.5 * time), 0, None)
    soundfile.write(path, 0.15 * tone * loud + noise, rate)


def some_recordings(folder: Path) -> str:
    """A folder of three recordings, with the slash that it is written with."""
    folder.mkdir()
    for number in range(3):
        recording(folder / f"{number}.wav", 400.0 + 20 * number)
    return f"{folder}/"


def nobodys_folder(folder: Path) -> str:
    """A folder of recordings without a table, to look at."""
    voices(folder)
    return f"init-corpus {folder / 'wav'}"


def one_breath(path: Path) -> None:
    """A recording of breath, or the list of its cycles."""
    if path.suffix == ".txt":
        path.write_text("0\t2\t0\t0\n2\t4\t1\t0\n")
    else:
        samples = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
        soundfile.write(path, samples, 4000)


def resnet18(path: Path) -> None:
    import torch
    from test_resnet import published_shapes

    made = torch.Generator().manual_seed(0)
    torch.save(
        {
            name: torch.rand(shape, generator=made) + 0.1 if shape else torch.tensor(7)
            for name, shape in published_shapes().items()
        },
        path,
    )


def panns(network: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        import torch
        from test_panns import published

        torch.save(published(network, drawn=True), path)

    return write


def yamnet(path: Path) -> None:
    from tflite_files import yamnet_file

    yamnet_file(path, width=0.25)


def spkrec(folder: Path) -> None:
    """SpeechBrain's folder of a network of the size that the commands are tested with."""
    from test_pretrained import folder_of

    folder_of(folder, {"n_mels": 80, "channels": 16, "depth": 1, "dim": 16})


CORPORA: Mapping[str, Callable[[Path], object]] = {
    "data/01_raw/demo/cry_verification": demo_cries,
    "pairs.csv": pairs,
    "/path/to/CryCeleb2023": cryceleb,
    "/path/to/donateacry-corpus": donateacry,
    "/path/to/donateacry": donateacry,
    "/path/to/EmoGator": emogator,
    "/path/to/emogator": emogator,
    "/path/to/zalo": zalo,
    "/path/to/voxceleb": voxceleb,
    "/path/to/ICBHI": breath,
    "/path/to/part": breath,
    "/path/to/recordings": breath,
    "/my/breath": breath,
    "/my/folder": own_folder,
    "/path/to/speech": own_folder,
    "/my/sounds": cries_and_screams,
    "/other/sounds": cries_and_screams,
    "/path/to/yamnet_waveform.tflite": yamnet,
    "/path/to/resnet18-f37072fd.pth": resnet18,
    "/path/to/Cnn10_mAP=0.380.pth": panns("cnn10"),
    "/path/to/Cnn14_mAP=0.431.pth": panns("cnn14"),
    "/path/to/spkrec-ecapa-voxceleb": spkrec,
    "init-corpus /my/folder": nobodys_folder,
    "/runs/ours": lambda folder: None,
    "/runs/aam": lambda folder: None,
    "visit_1/": some_recordings,
    "recordings/": some_recordings,
    "101_1b1_Al_sc_Meditron.wav": one_breath,
    "101_1b1_Al_sc_Meditron.txt": one_breath,
    **dict.fromkeys(
        (
            "night.wav", "monday.wav", "friday.wav", "friday_1.wav", "friday_2.wav", "visit_1.wav",
            "visit_2.wav", "unknown.wav", "a.wav", "b.flac",
        ),
        recording,
    ),
}  # fmt: skip
"""By the path that README and docs write: a function that is given where to make what is there."""
