"""folder: pictures, sounds, videos or texts: a folder for each class, or a list with a column of references."""

from thirtyfold.data.folders import FolderRows

__all__ = ["Folder"]


class Folder(FolderRows):
    """A row for each file: its ``path`` in the folder, its ``label`` (the folder it stands in), and its header's facts.

    Headers give width, height, mode, seconds, rate, channels and the like; pictures and sounds are decoded once, to
    see that they are whole (texts of up to a megabyte are read). With ``manifest``, a table as any source reads it, the
    rows are the manifest's, and ``column`` is the one that names the files, by path, by name, or by name without
    ending. Broken files are quarantined with the reason. ``only`` takes files of some kinds: image, audio, video, text.
    ``named`` takes columns from the names, without their endings: ``"{digit}_{speaker}_{take}"``.
    """
