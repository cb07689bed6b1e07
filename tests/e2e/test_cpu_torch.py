"""`headrace.compile` of a torch module: through IREE, with these kernels inside."""

import numpy as np
import pytest

import headrace as hr
from headrace.errors import UsageError

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(64, 96), torch.nn.ReLU(), torch.nn.Linear(96, 32))


def test_compile_a_torch_module(model):
    x = torch.randn(3, 64, generator=torch.Generator().manual_seed(1))
    program = hr.compile(model, (x,), target="cpu", quantize=hr.Quantize("q8_0"))
    with torch.no_grad():
        want = model(x).numpy()
    got = np.asarray(program(x))
    assert np.linalg.norm(got - want) / np.linalg.norm(want) < 2e-2


def test_example_inputs_are_needed(model):
    with pytest.raises(UsageError, match="needs example inputs"):
        hr.compile(model)


def test_options_that_do_not_apply(model, tmp_path):
    with pytest.raises(UsageError, match="dump_dir, timing, poison_scratch and verification go"):
        hr.compile(model, (torch.zeros(1, 64),), dump_dir=tmp_path)
