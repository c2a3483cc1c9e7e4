"""What a run stands on, as data: papers, corpora and software, in BibTeX and in a plain list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Citation:
    """One entry: authors as BibTeX has them, and where it appeared."""

    kind: str
    """`article`, `inproceedings` or `misc`."""
    about: str
    """What it is cited for, a few words."""
    author: str
    title: str
    year: str = ""
    where: str = ""
    """Journal, proceedings, or how it was published."""
    volume: str = ""
    number: str = ""
    pages: str = ""
    doi: str = ""
    arxiv: str = ""


CITATIONS = {
    "ecapa": Citation(
        "inproceedings", "ECAPA-TDNN", "Desplanques, B. and Thienpondt, J. and Demuynck, K.",
        "ECAPA-TDNN: Emphasized Channel Attention, Propagation and Aggregation in TDNN Based "
        "Speaker Verification", "2020", "Proc. Interspeech", pages="3830--3834",
        doi="10.21437/Interspeech.2020-2650", arxiv="2005.07143",
    ),
    "aam": Citation(
        "inproceedings", "Additive angular margin softmax",
        "Deng, J. and Guo, J. and Xue, N. and Zafeiriou, S.",
        "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", "2019", "Proc. CVPR",
        doi="10.1109/CVPR.2019.00482", arxiv="1801.07698",
    ),
    "triplet": Citation(
        "misc", "Triplet loss", "Hermans, A. and Beyer, L. and Leibe, B.",
        "In Defense of the Triplet Loss for Person Re-Identification", "2017", arxiv="1703.07737",
    ),
    "semi_hard": Citation(
        "inproceedings", "Triplet loss with semi-hard mining",
        "Schroff, F. and Kalenichenko, D. and Philbin, J.",
        "FaceNet: A Unified Embedding for Face Recognition and Clustering", "2015", "Proc. CVPR",
        pages="815--823", doi="10.1109/CVPR.2015.7298682", arxiv="1503.03832",
    ),
    "supcon": Citation(
        "inproceedings", "Supervised contrastive loss",
        "Khosla, P. and Teterwak, P. and Wang, C. and Sarna, A. and Tian, Y. and Isola, P. and "
        "Maschinot, A. and Liu, C. and Krishnan, D.",
        "Supervised Contrastive Learning", "2020",
        "Advances in Neural Information Processing Systems", volume="33", arxiv="2004.11362",
    ),
    "contrastive_center": Citation(
        "inproceedings", "Contrastive-center loss", "Qi, C. and Su, F.",
        "Contrastive-Center Loss for Deep Neural Networks", "2017", "Proc. ICIP",
        pages="2851--2855", doi="10.1109/ICIP.2017.8296803", arxiv="1707.07391",
    ),
    "spec_augment": Citation(
        "inproceedings", "SpecAugment",
        "Park, D. S. and Chan, W. and Zhang, Y. and Chiu, C.-C. and Zoph, B. and Cubuk, E. D. and "
        "Le, Q. V.",
        "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition", "2019",
        "Proc. Interspeech", pages="2613--2617", doi="10.21437/Interspeech.2019-2680",
        arxiv="1904.08779",
    ),
    "as_norm": Citation(
        "inproceedings", "Adaptive score normalisation (AS-norm)",
        r"Mat{\v{e}}jka, P. and Novotn{\'y}, O. and Plchot, O. and Burget, L. and "
        r"Diez S{\'a}nchez, M. and {\v{C}}ernock{\'y}, J.",
        "Analysis of Score Normalization in Multilingual Speaker Recognition", "2017",
        "Proc. Interspeech", pages="1567--1571", doi="10.21437/Interspeech.2017-803",
    ),
    "cllr": Citation(
        "article", "Cost of log-likelihood ratios (Cllr)",
        r"Br{\"u}mmer, N. and du Preez, J.",
        "Application-Independent Evaluation of Speaker Detection", "2006",
        "Computer Speech & Language", volume="20", number="2--3", pages="230--275",
        doi="10.1016/j.csl.2005.08.001",
    ),
    "subsets_bootstrap": Citation(
        "article", "Bootstrap over subjects", "Bolle, R. M. and Ratha, N. K. and Pankanti, S.",
        "Error Analysis of Pattern Recognition Systems: The Subsets Bootstrap", "2004",
        "Computer Vision and Image Understanding", volume="93", number="1", pages="1--33",
        doi="10.1016/j.cviu.2003.08.002",
    ),
    "temperature": Citation(
        "inproceedings", "Calibration error and temperature scaling",
        "Guo, C. and Pleiss, G. and Sun, Y. and Weinberger, K. Q.",
        "On Calibration of Modern Neural Networks", "2017", "Proc. ICML", pages="1321--1330",
        arxiv="1706.04599",
    ),
    "yamnet": Citation(
        "misc", "YAMNet", "Plakal, M. and Ellis, D.", "YAMNet",
        where="github.com/tensorflow/models, research/audioset/yamnet",
    ),
    "mobilenet": Citation(
        "misc", "MobileNet, the body of YAMNet",
        "Howard, A. G. and Zhu, M. and Chen, B. and Kalenichenko, D. and Wang, W. and Weyand, T. "
        "and Andreetto, M. and Adam, H.",
        "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
        "2017", arxiv="1704.04861",
    ),
    "wav2vec2": Citation(
        "inproceedings", "wav2vec 2.0",
        "Baevski, A. and Zhou, Y. and Mohamed, A. and Auli, M.",
        "wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations", "2020",
        "Advances in Neural Information Processing Systems", volume="33", arxiv="2006.11477",
    ),
    "panns": Citation(
        "article", "PANNs",
        "Kong, Q. and Cao, Y. and Iqbal, T. and Wang, Y. and Wang, W. and Plumbley, M. D.",
        "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition",
        "2020", "IEEE/ACM Transactions on Audio, Speech, and Language Processing", volume="28",
        pages="2880--2894", doi="10.1109/TASLP.2020.3030497", arxiv="1912.10211",
    ),
    "resnet": Citation(
        "inproceedings", "ResNet", "He, K. and Zhang, X. and Ren, S. and Sun, J.",
        "Deep Residual Learning for Image Recognition", "2016", "Proc. CVPR", pages="770--778",
        doi="10.1109/CVPR.2016.90", arxiv="1512.03385",
    ),
    "metadata": Citation(
        "inproceedings", "Contrastive learning of breath sounds, with metadata",
        "Moummad, I. and Farrugia, N.",
        "Pretraining Respiratory Sound Representations Using Metadata and Contrastive Learning",
        "2023", "Proc. WASPAA", arxiv="2210.16192",
    ),
    "cryceleb": Citation(
        "misc", "Corpus",
        "Budaghyan, D. and Onu, C. C. and Gorin, A. and Subakan, C. and Precup, D.",
        "CryCeleb: A Speaker Verification Dataset Based on Infant Cry Sounds", "2023",
        arxiv="2305.00969",
    ),
    "voxceleb": Citation(
        "inproceedings", "Corpus", "Nagrani, A. and Chung, J. S. and Zisserman, A.",
        "VoxCeleb: A Large-Scale Speaker Identification Dataset", "2017", "Proc. Interspeech",
        pages="2616--2620", doi="10.21437/Interspeech.2017-950", arxiv="1706.08612",
    ),
    "voxceleb2": Citation(
        "inproceedings", "Corpus", "Chung, J. S. and Nagrani, A. and Zisserman, A.",
        "VoxCeleb2: Deep Speaker Recognition", "2018", "Proc. Interspeech", pages="1086--1090",
        doi="10.21437/Interspeech.2018-1929", arxiv="1806.05622",
    ),
    "icbhi": Citation(
        "article", "Corpus", "Rocha, B. M. and others",
        "An Open Access Database for the Evaluation of Respiratory Sound Classification "
        "Algorithms", "2019", "Physiological Measurement", volume="40", number="3",
        pages="035001", doi="10.1088/1361-6579/ab03ea",
    ),
    "torch": Citation(
        "inproceedings", "PyTorch", "Paszke, A. and others",
        "PyTorch: An Imperative Style, High-Performance Deep Learning Library", "2019",
        "Advances in Neural Information Processing Systems", volume="32", arxiv="1912.01703",
    ),
    "speechbrain": Citation(
        "misc", "SpeechBrain", "Ravanelli, M. and others",
        "SpeechBrain: A General-Purpose Speech Toolkit", "2021", arxiv="2106.04624",
    ),
    "kedro": Citation(
        "misc", "Kedro", "Alam, S. and others", "Kedro", where="github.com/kedro-org/kedro",
    ),
    "scikit-learn": Citation(
        "article", "scikit-learn", "Pedregosa, F. and others",
        "Scikit-learn: Machine Learning in Python", "2011",
        "Journal of Machine Learning Research", volume="12", pages="2825--2830",
    ),
}  # fmt: skip

WHERE = {"article": "journal", "inproceedings": "booktitle", "misc": "howpublished"}
PLAIN = {
    r"{\v{e}}": "ě", r"{\'y}": "ý", r"{\'a}": "á", r"{\v{C}}": "Č", r"{\"u}": "ü", "--": "-",
}  # fmt: skip


def bibtex(names: Iterable[str]) -> str:
    """Return the entries of these names of `CITATIONS` in BibTeX, a blank line between them.

    Raises KeyError for a name that is not there.
    """
    return "\n\n".join(_entry(name, CITATIONS[name]) for name in names)


def plain_list(names: Iterable[str]) -> list[str]:
    """Return a line for each: what it is cited for, authors, title, where, year and identifier."""
    return [_line(CITATIONS[name]) for name in names]


def _entry(name: str, one: Citation) -> str:
    where = one.where.replace("&", r"\&")
    fields = {
        "author": one.author,
        "title": f"{{{one.title}}}",  # its capitals stay
        WHERE[one.kind]: where,
        "volume": one.volume,
        "number": one.number,
        "pages": one.pages,
        "year": one.year,
        "doi": one.doi,
        "eprint": one.arxiv,
        "archiveprefix": "arXiv" if one.arxiv else "",
    }
    lines = [f"  {field} = {{{value}}}" for field, value in fields.items() if value]
    return f"@{one.kind}{{{name},\n" + ",\n".join(lines) + "\n}"


def _line(one: Citation) -> str:
    authors = one.author
    for code, letter in PLAIN.items():
        authors = authors.replace(code, letter)
    people = [" ".join(reversed(person.split(", "))) for person in authors.split(" and ")]
    if people[-1] == "others":
        told = f"{people[0]} et al."
    else:
        told = f"{', '.join(people[:-1])} and {people[-1]}" if len(people) > 1 else people[0]
    numbers = one.volume + (f"({one.number})" if one.number else "")
    place = " ".join(part for part in (one.where, numbers) if part)
    parts = [place, one.pages and f"pp. {one.pages}" if "-" in one.pages else one.pages, one.year]
    identifier = f"doi:{one.doi}" if one.doi else f"arXiv:{one.arxiv}" if one.arxiv else ""
    rest = ", ".join(part for part in (*parts, identifier) if part).replace("--", "-")
    return f"{one.about}: {told}, {one.title}" + (f", {rest}" if rest else "")
