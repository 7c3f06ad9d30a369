"""What a trained detector finds in held-out scenes and backgrounds, against the exact truth and against the teacher."""

from pathlib import Path

import numpy as np

from .faces import Agreement, Faces, Network, decode, pad
from .scenes import Scene

SURE = 0.5      # confidence from which the teacher's word is a face: the open pack's default
UNSURE = 0.3    # a found face of which the teacher is this sure is no false one
OVERLAP = 0.45  # for non-maximum suppression: the open pack's default
SMALLEST = 10   # pixels: height of the smallest face that is asked for
VISIBLE = 0.6   # share of a face that must show for it to be asked for

NOBODY = Faces(np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0))


class Validation:
    """The held-out material, and what the teacher says of it."""

    def __init__(self, teacher: Network, scenes: list[Scene], backgrounds: list[np.ndarray]):
        self.scenes, self.backgrounds = scenes, [pad(b) for b in backgrounds]
        self.taught = [decode(teacher.maps(s.image[None]), UNSURE, OVERLAP)[0] for s in scenes]

    def teacher(self) -> dict:
        """The teacher's own figures against the exact truth."""
        truth = Agreement()
        for scene, taught in zip(self.scenes, self.taught):
            truth.add(_asked(scene), taught.take(taught.scores >= SURE), scene.faces)
        return truth.figures()

    def network(self, file: Path, confidence: float = SURE) -> dict:
        """The network's figures against the truth and against the teacher, and how many faces it sees where nobody is."""
        net = Network(file)
        truth, agreement, empty = Agreement(), Agreement(), Agreement()
        for scene, taught in zip(self.scenes, self.taught):
            found = decode(net.maps(scene.image[None]), confidence, OVERLAP)[0]
            truth.add(_asked(scene), found, scene.faces)
            agreement.add(taught.take(taught.scores >= SURE), found, taught)
        for background in self.backgrounds:
            empty.add(NOBODY, decode(net.maps(background[None]), confidence, OVERLAP)[0], NOBODY)
        return {"confidence": confidence, "truth": truth.figures(), "agreement": agreement.figures(),
                "backgrounds": {"images": empty.images, "false_per_image": empty.figures()["false_per_image"]}}


def _asked(scene: Scene) -> Faces:
    heights = scene.faces.boxes[:, 3] - scene.faces.boxes[:, 1]
    return scene.faces.take((scene.visible >= VISIBLE) & (heights >= SMALLEST))
