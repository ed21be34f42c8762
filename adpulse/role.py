"""The roles of people and programs."""

from enum import StrEnum


class Role(StrEnum):
    """What a person or program may do: look at a workspace, change it too, or run the installation with all of its workspaces."""

    VIEWER = "viewer"
    EDITOR = "editor"
    OPERATOR = "operator"
