"""The limit on the kernels that oneDNN keeps."""

import os
import subprocess
import sys

import pytest

from rotary_mae.nn import linear
from rotary_mae.nn.kernel_cache import CACHE_VARIABLES, limit_kernel_caches


def test_limits_set_by_the_user_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = CACHE_VARIABLES
    monkeypatch.setenv(first, "7")
    # setenv first, so that the variable is removed again after the test
    monkeypatch.setenv(second, "")
    monkeypatch.delenv(second)
    limit_kernel_caches()
    assert os.environ[first] == "7"
    assert os.environ[second] == "256"


def test_it_needs_no_torch() -> None:
    code = "import sys, rotary_mae.nn.kernel_cache; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not linear.HAS_ONEDNN, reason="torch without oneDNN")
@pytest.mark.slow
def test_memory_stops_growing_once_the_limit_is_reached() -> None:
    code = (
        "import resource, torch\n"
        "from rotary_mae.nn.kernel_cache import limit_kernel_caches\n"
        "limit_kernel_caches()\n"
        "from rotary_mae.nn.linear import onednn_product\n"
        "weight = torch.randn(540, 180)\n"
        "def peak_mib(sizes):\n"
        "    for n in sizes:\n"
        "        onednn_product(torch.randn(n, 180), weight)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "after_400_sizes = peak_mib(range(100, 500))\n"
        "print(peak_mib(range(500, 900)) - after_400_sizes)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in CACHE_VARIABLES}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    # about 6 MiB with the limit, 220 MiB without
    assert float(done.stdout) < 50
