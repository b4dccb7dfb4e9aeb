"""Readers of public data sets, found in the folder that ROMAE_DATA names, or downloaded."""

from rotary_mae.datasets.atat import load_atat
from rotary_mae.datasets.audio_folder import load_audio_folder
from rotary_mae.datasets.esc50 import load_esc10, load_esc50
from rotary_mae.datasets.physionet2012 import load_physionet2012
from rotary_mae.datasets.snana import load_elasticc
from rotary_mae.datasets.snpcc import load_snpcc
from rotary_mae.datasets.stripe82 import load_stripe82
from rotary_mae.datasets.tiny_imagenet import load_tiny_imagenet
from rotary_mae.datasets.uea import load_uea

__all__ = [
    "load_atat",
    "load_audio_folder",
    "load_elasticc",
    "load_esc10",
    "load_esc50",
    "load_physionet2012",
    "load_snpcc",
    "load_stripe82",
    "load_tiny_imagenet",
    "load_uea",
]
