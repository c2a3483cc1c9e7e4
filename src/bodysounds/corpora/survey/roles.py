"""What the other columns say: session, time, order, device, sex, age, class and split."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from bodysounds.types import Table

# names of columns without blanks, underscores and capitals; those of no role are no subject either
NAMES = {
    "subject": (
        "subject subjectid speaker speakerid spk spkid spkr baby babyid infant infantid newborn "
        "newbornid child childid patient patientid person personid participant participantid "
        "individual individualid identity identityid caller callerid kid kidid utt2spk"
    ),
    "group": (
        "group groupid household householdid family familyid install installid home mother "
        "motherid twin site siteid source sourceid"
    ),
    "session": "session sessionid visit visitid period chapter chapterid video videoid call callid",
    "recorded_at": (
        "recordedat recordedon recordingtime recordingdate timestamp time date datetime createdat "
        "unixtime recorded created starttime"
    ),
    "order": "order take index chronologicalindex utterance utteranceid number sequence repetition",
    "domain": (
        "domain device deviceid platform microphone mic phone recorder stethoscope channel corpus "
        "dataset database"
    ),
    "sex": "sex gender",
    "age": "age ageyears agemonths agedays ageweeks agegroup",
    "label": "label class category reason emotion diagnosis sound soundtype target event",
    "split": "split subset partition set usage",
    "": (
        "duration durations seconds length samplerate rate sr fs channels start end "
        "startsec endsec sha256 md5 text transcript transcription sentence size bytes snr"
    ),
}  # fmt: skip
MAYBE = {"subject": "id name user userid client clientid who code owner animal dog voice"}


def named_role(column: str) -> tuple[str | None, bool]:
    """Return the role that a column's name stands for, None for none, and whether that is sure."""
    bare = re.sub(r"[^a-z0-9]", "", column.lower())
    for role, names in NAMES.items():
        if bare in names.split():
            return role, True
    for role, names in MAYBE.items():
        if bare in names.split():
            return role, False
    return None, False


def other_roles(
    columns: Table, kinds: Mapping[str, str], subject: str | None, own: Sequence[str]
) -> dict[str, str]:
    """Return role to column for all but the subject; the table's (`own`) before the paths'.

    Of a table a column is known by its name, of a path by its values. A number that counts up and
    says nothing else is the order.
    """
    found: dict[str, str] = {}
    for name in own:
        role, _ = named_role(name)
        if role not in (None, "", "subject") and name != subject and kinds[name] != "none":
            found.setdefault(str(role), name)
    if kinds.get(found.get("split", ""), "split") != "split":
        del found["split"]
    if subject is not None and "group" in found and not _coarser(columns, found["group"], subject):
        del found["group"]
    free = [str(name) for name in columns if str(name) not in (*own, subject)]
    if subject is not None:
        free = [name for name in free if not _equal(columns, name, subject)]
    by_kind = {"split": "split", "sex": "sex", "label": "label", "device": "domain"}
    for name in free:
        if kinds[name] in by_kind:
            found.setdefault(by_kind[kinds[name]], name)
    session = _session(columns, kinds, subject, free)
    if session and "session" not in found and "recorded_at" not in found:
        found["session"] = session
    for name in free:
        if kinds[name] in ("date", "time"):
            found.setdefault("recorded_at", name)
    if found.get("session") == found.get("recorded_at") and kinds.get(session or "") == "time":
        del found["session"]
    counted = [name for name in free if name.startswith("field") and name not in found.values()]
    if counted and columns[counted[-1]].dropna().str.fullmatch(r"\d{1,6}").all():
        found.setdefault("order", counted[-1])
    return found


def _session(
    columns: Table, kinds: Mapping[str, str], subject: str | None, free: Sequence[str]
) -> str | None:
    """Return the column of the session: a day, a name that says so, or a part within a subject."""
    for wanted in (("date", "time"), ("session",), ("maybe_session",)):
        for name in free:
            if kinds[name] in wanted and columns[name].notna().mean() >= 0.5:
                return name
    if subject is None:
        return None
    for name in free:
        if kinds[name] in ("constant", "none", "split", "label", "sex", "container", "device"):
            continue
        if _parts_of(columns, name, subject) and (
            name.startswith("folder") or _coarser(columns, subject, name)
        ):
            return name
    return None


def _parts_of(columns: Table, name: str, subject: str) -> bool:
    """Return whether a column parts the recordings of some subject, each part of several."""
    known = columns[[subject, name]].dropna()
    if len(known) < 0.5 * len(columns):
        return False
    sizes = known.groupby([subject, name]).size()
    return bool((sizes >= 2).mean() >= 0.2 and sizes.groupby(level=0).size().max() >= 2)


def _coarser(columns: Table, outer: str, inner: str) -> bool:
    """Return whether each value of `inner` has one value of `outer`."""
    known = columns[[outer, inner]].dropna()
    return bool(len(known) and known.groupby(inner)[outer].nunique().max() == 1)


def _equal(columns: Table, one: str, other: str) -> bool:
    codes = (pd.factorize(columns[name])[0] for name in (one, other))
    return bool((next(codes) == next(codes)).all())
