"""Whatever torch can pickle comes back as it was: dtype, layout, strides, and what shares memory with what.

The kinds of tensors and modules are registered here, and loaded by a second process that never saw this code.
"""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import sys
import types
import warnings

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import vessl_nb as vessl
from vessl_nb.errors import VesslError

SIZES = {"a few bytes": 6, "100 KB": 25_000, "over 1 MiB": 300_000}
"""Elements of float32: small data stays in the pickle, medium data shares a blob, large data has one of its own."""

sizes = pytest.mark.parametrize("length", SIZES.values(), ids=SIZES)


def make_describer():
    """Make a runner that travels by value, and answers with its model as plain data."""
    compressed_rows, compressed_columns = [
        (f"c{first}_indices", f"{second}_indices", "values") for first, second in (("row", "col"), ("col", "row"))
    ]
    parts_of = {
        torch.per_tensor_affine: ("stride", "q_scale", "q_zero_point", "int_repr"),
        torch.per_channel_affine: (
            "stride", "q_per_channel_scales", "q_per_channel_zero_points", "q_per_channel_axis", "int_repr",
        ),
        torch.per_channel_affine_float_qparams: (
            "stride", "q_per_channel_scales", "q_per_channel_zero_points", "q_per_channel_axis", "int_repr",
        ),
        torch.sparse_coo: ("is_coalesced", "_indices", "_values"),
        torch.sparse_csr: compressed_rows,
        torch.sparse_bsr: compressed_rows,
        torch.sparse_csc: compressed_columns,
        torch.sparse_bsc: compressed_columns,
        torch.jagged: ("values", "offsets"),
        "nested": ("unbind",),
        "meta": ("stride", "storage_offset"),
    }  # fmt: skip

    def kind_of(tensor):
        ragged = tensor.is_nested and tensor.layout is torch.strided
        return tensor.qscheme() if tensor.is_quantized else "nested" if ragged else tensor.layout

    def bits(tensor):
        plain = tensor.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
        return plain.flatten().view(torch.uint8).numpy().tobytes().hex()

    def of_tensor(tensor):
        said = [str(tensor.dtype), str(tensor.layout), str(tensor.device), tensor.requires_grad]
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            return said
        inner = tensor.detach()
        kind = "meta" if tensor.is_meta else kind_of(tensor)
        if kind in parts_of:
            return [*said, *[describe(getattr(inner, part)()) for part in parts_of[kind]]]
        place = [list(inner.shape), inner.stride(), inner.storage_offset(), inner.untyped_storage().nbytes()]
        return [*said, *place, inner.is_conj(), inner.is_neg(), describe(vars(tensor)), bits(inner)]

    def of_module(module):
        modes = {path: [type(part).__name__, part.training] for path, part in module.named_modules()}
        tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        return [modes, list(module.state_dict()), describe(tensors)]

    writers = {
        torch.Tensor: of_tensor,
        nn.Module: of_module,
        torch.optim.Optimizer: lambda optimizer: describe(optimizer.state_dict()),
        torch.Generator: lambda generator: describe(generator.get_state()),
        dict: lambda value: [[describe(key), describe(child)] for key, child in value.items()],
        list: lambda value: list(map(describe, value)),
        tuple: lambda value: list(map(describe, value)),
        object: repr,
    }

    def describe(value):
        write = next(write for kind, write in writers.items() if isinstance(value, kind))
        return [type(value).__name__, write(value)]

    class Describer(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return describe(model)

    return Describer


def make_runner():
    """Make a runner that travels by value, for models that are looked at as they are."""

    class Runner(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return model

    return Runner


def reload(model):
    """Register a model, and load it."""
    return vessl.load(vessl.register_model("weights", None, make_runner(), model).reference).model


DTYPES = [
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
    "float64", "float8_e4m3fn", "float8_e5m2", "complex32", "complex64", "complex128",
]  # fmt: skip

WARNINGS = {
    "complex32": "ComplexHalf support is experimental",
    "quantized": "torch.quantize_per_|TypedStorage is deprecated",
    "sparse": "Sparse [A-Z]+ tensor support is in beta state",
    "nested": "The PyTorch API of nested tensors is in prototype stage",
}
"""What torch itself warns of where it makes or unpickles such tensors, by the first word of a case."""


@contextlib.contextmanager
def expected_warnings(case):
    """Let torch say what it says of this case; all other warnings are errors, here as in the tests."""
    with warnings.catch_warnings():
        if message := WARNINGS.get(case.split()[0]):
            warnings.filterwarnings("ignore", message)
        yield


def of_dtype(name):
    if name == "bool":
        return torch.tensor([True, False, True])
    return torch.arange(32, dtype=torch.uint8).view(getattr(torch, name))


def with_attributes(tensor):
    tensor.note = "learned"
    tensor.scale = torch.ones(2)
    return tensor


def make_subclassed():
    class Embedding(torch.Tensor):
        pass

    return torch.arange(4.0).as_subclass(Embedding)


def make_module():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout())
            self.heads = nn.ModuleDict({"a": nn.Linear(4, 1), "b": nn.Bilinear(4, 4, 1)})
            self.scales = nn.ParameterList([nn.Parameter(torch.ones(2))])
            self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
            self.register_buffer("mean", torch.arange(3.0))
            self.register_buffer("cache", torch.zeros(3), persistent=False)
            self.missing = None

        def forward(self, x):
            return self.heads["a"](self.encoder(x - self.mean))

    net = Net()
    net.encoder.eval()
    return net


def make_optimizer(kind=torch.optim.AdamW):
    net = nn.Linear(3, 2)
    optimizer = kind(net.parameters())
    for _ in range(3):
        net(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    return optimizer


def quantized_by_channel(dtype, zero_points):
    scales = torch.tensor([0.1, 0.2, 0.3])
    return torch.quantize_per_channel(torch.randn(3, 4), scales, zero_points, 0, dtype)


CASES = {
    **{name: functools.partial(of_dtype, name) for name in DTYPES},
    "quantized qint8": lambda: torch.quantize_per_tensor(torch.randn(3, 4), 0.1, 3, torch.qint8),
    "quantized quint8": lambda: torch.quantize_per_tensor(torch.randn(3, 4).T, 0.1, 3, torch.quint8),
    "quantized qint32": lambda: torch.quantize_per_tensor(torch.randn(3, 4), 0.1, 3, torch.qint32),
    "quantized by channel": lambda: quantized_by_channel(torch.qint8, torch.arange(3)),
    "quantized by channel, with floats": lambda: quantized_by_channel(torch.quint8, torch.arange(3.0)),
    "transposed": lambda: torch.randn(3, 4).T,
    "expanded": lambda: torch.randn(3, 1).expand(3, 5),
    "every third": lambda: torch.randn(20)[2::3],
    "channels last": lambda: torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "overlapping": lambda: torch.randn(10).unfold(0, 4, 2),
    "empty": lambda: torch.empty(0),
    "empty in the middle": lambda: torch.empty(2, 0, 3, dtype=torch.int64),
    "of no dimension": lambda: torch.tensor(3.5),
    "of no dimension within another": lambda: torch.arange(5.0)[3],
    "conjugated": lambda: torch.complex(torch.randn(3), torch.randn(3)).conj(),
    "negated": lambda: torch.complex(torch.randn(3), torch.randn(3)).conj().imag,
    "sparse COO": lambda: torch.eye(4).to_sparse(),
    "sparse COO, not coalesced": lambda: torch.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (3,), check_invariants=True),
    "sparse COO of rows": lambda: torch.sparse_coo_tensor([[0, 2]], torch.ones(2, 5), (3, 5), check_invariants=True),
    "sparse COO, empty": lambda: torch.zeros(3, 3).to_sparse(),
    "sparse CSR": lambda: torch.eye(4).to_sparse_csr(),
    "sparse CSR of bfloat16": lambda: torch.eye(4, dtype=torch.bfloat16).to_sparse_csr(),
    "sparse CSC": lambda: torch.eye(4).to_sparse_csc(),
    "sparse BSR": lambda: torch.eye(4).to_sparse_bsr((2, 2)),
    "sparse BSC": lambda: torch.eye(4).to_sparse_bsc((2, 2)),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "jagged": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
    "meta": lambda: torch.empty(3, 4, device="meta"),
    "leaf": lambda: torch.ones(3, requires_grad=True),
    "result with gradient": lambda: torch.ones(3, requires_grad=True) * 2,
    "with attributes": lambda: with_attributes(torch.ones(3)),
    "parameter": lambda: nn.Parameter(torch.randn(3)),
    "parameter, frozen": lambda: nn.Parameter(torch.randn(3), requires_grad=False),
    "parameter with attributes": lambda: with_attributes(nn.Parameter(torch.randn(3))),
    "parameter that is a view": lambda: nn.Parameter(torch.randn(4, 3).T),
    "parameters and buffers, alone": lambda: [nn.ParameterDict({"a": torch.ones(2)}), nn.Buffer(torch.ones(2))],
    "parameter without shape": nn.UninitializedParameter,
    "subclass": make_subclassed,
    "subclass with attributes": lambda: with_attributes(make_subclassed()),
    "packed sequence": lambda: nn.utils.rnn.pack_sequence([torch.ones(3), torch.ones(2)]),
    "generator": lambda: torch.Generator().manual_seed(3),
    "dtypes and the like": lambda: [torch.float8_e5m2, torch.device("cpu"), torch.Size([2]), torch.channels_last],
    "module": make_module,
    "module, recurrent": lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True),
    "module, lazy": lambda: nn.LazyLinear(3),
    "module of bfloat16": lambda: make_module().bfloat16(),
    "module of float8": lambda: nn.Linear(3, 2, dtype=torch.float32).to(torch.float8_e4m3fn),
    "state of a module": lambda: make_module().state_dict(),
    "optimizer": make_optimizer,
    "optimizer of another kind": lambda: make_optimizer(torch.optim.Adagrad),
    "state of an optimizer": lambda: make_optimizer().state_dict(),
    "large": lambda: {"weights": torch.arange(300_000, dtype=torch.int16), "half": torch.ones(70_000).half()},
}


DESCRIBE = """\
import json, sys, warnings
import torch
import vessl_nb as vessl

warnings.simplefilter("error")
answers = {}
for case, (reference, warning) in json.load(sys.stdin).items():
    with warnings.catch_warnings():
        if warning:
            warnings.filterwarnings("ignore", warning)
        try:
            answers[case] = vessl.load(reference).run(None)
        except Exception as error:
            answers[case] = f"{type(error).__name__}: {error}"
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """Give what each case is here, and what a second process says it loaded, as plain data."""
    runner = make_describer()
    here, there, registered = {}, {}, {}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("REGISTRY", "CACHE"):
            patch.setenv(f"VESSL_NB_{name}", str(tmp_path_factory.mktemp("described") / name))
        for case, make in CASES.items():
            with expected_warnings(case):
                model = make()
                here[case] = json.loads(json.dumps(runner.predict(model, None)))
                try:
                    reference = vessl.register_model("weights", None, runner, model).reference
                except VesslError as error:
                    there[case] = str(error)
                else:
                    registered[case] = [reference, WARNINGS.get(case.split()[0])]
        command = [sys.executable, "-c", DESCRIBE]
        done = subprocess.run(command, input=json.dumps(registered), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    there.update(json.loads(done.stdout))
    return {case: (here[case], there[case]) for case in CASES}


@pytest.mark.parametrize("case", CASES)
def test_in_another_process_it_is_as_it_was(described, case):
    here, there = described[case]
    assert there == here


class TestSharing:
    """What shared memory shares it after loading, and nothing else does; seen by writing to it."""

    @sizes
    def test_one_tensor_at_two_places_is_one(self, length):
        tensor = torch.ones(length)
        loaded = reload({"a": tensor, "b": [tensor]})
        assert loaded["a"] is loaded["b"][0]

    @sizes
    def test_equal_tensors_stay_apart(self, length):
        loaded = reload([torch.ones(length), torch.ones(length), nn.Parameter(torch.ones(length))])
        for index, tensor in enumerate(loaded):
            tensor.data.fill_(index)
        assert [tensor.unique().tolist() for tensor in loaded] == [[0.0], [1.0], [2.0]]

    @sizes
    def test_tied_parameters_stay_tied(self, length):
        net = nn.ModuleDict({"embed": nn.Embedding(length // 2, 2), "head": nn.Linear(2, length // 2, bias=False)})
        net["head"].weight = net["embed"].weight
        loaded = reload(net)
        with torch.no_grad():
            loaded["embed"].weight.fill_(7)
        assert loaded["head"].weight.unique().tolist() == [7.0]
        assert len(list(loaded.parameters())) == 1

    @sizes
    def test_views_follow_their_base_and_the_base_its_views(self, length):
        base = torch.zeros(length)
        model = {"tail": base[length // 2 :], "table": base.view(2, -1).T, "base": base, "every": base[::3]}
        loaded = reload(model)
        loaded["base"].fill_(1)
        assert [tensor.unique().tolist() for tensor in loaded.values()] == [[1.0]] * 4
        loaded["table"][0, 1] = 2
        assert loaded["base"][length // 2] == loaded["tail"][0] == 2

    @sizes
    def test_a_view_follows_a_base_that_is_not_in_the_model_itself(self, length):
        base = torch.zeros(length)
        first, second = reload([base[:-1], base[1:]])
        first.fill_(5)
        assert second.tolist() == [5.0] * (length - 2) + [0.0]

    @sizes
    def test_views_of_another_dtype_and_detached_ones_follow(self, length):
        base = torch.zeros(length, requires_grad=True)
        loaded = reload([base, base.detach(), base.detach().view(torch.int32)])
        loaded[1].fill_(1)
        assert loaded[0].requires_grad
        assert loaded[0].detach().unique().tolist() == [1.0]
        assert loaded[2].unique().tolist() == [0x3F800000]

    @sizes
    def test_parameters_stay_views_of_one_flat_storage(self, length):
        flat = torch.zeros(2 * length)
        net = nn.Linear(length, 1)
        net.weight = nn.Parameter(flat[:length].view(1, length))
        net.bias = nn.Parameter(flat[length : length + 1])
        net.flat = flat
        loaded = reload(net)
        loaded.flat[: length + 1] = 3
        assert loaded(torch.ones(length)).item() == 3 * length + 3
        assert loaded.weight.untyped_storage().data_ptr() == loaded.flat.untyped_storage().data_ptr()

    @sizes
    def test_a_buffer_tied_to_a_parameter_stays_tied(self, length):
        net = nn.Linear(length, 1)
        net.register_buffer("shadow", net.weight.detach(), persistent=False)
        loaded = reload(net)
        loaded.shadow.fill_(9)
        assert loaded.weight.unique().tolist() == [9.0]
        assert list(loaded.state_dict()) == ["weight", "bias"]

    @sizes
    def test_what_a_runner_holds_is_what_its_model_holds(self, length):
        weights = torch.zeros(length)
        table = weights[1:]

        class Runner(vessl.RunnerBase):
            @staticmethod
            def predict(model, data):
                model.fill_(data)
                return table.unique().tolist()

        vessl.register_model("weights", None, Runner, weights)
        assert vessl.load("weights").run(4) == [4.0]
        assert table.unique().tolist() == [0.0]

    def test_an_optimizer_moves_the_model_that_it_was_made_for(self):
        net = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
        loaded = reload({"net": net, "optimizer": optimizer})
        before = loaded["net"].weight.clone()
        loaded["net"](torch.ones(3)).sum().backward()
        loaded["optimizer"].step()
        assert torch.equal(loaded["net"].weight, before - 1)

    def test_equal_models_of_two_versions_stay_apart(self):
        first, second = (reload(torch.ones(300_000)) for _ in range(2))
        first.zero_()
        assert second.unique().tolist() == [1.0]


@sizes
def test_writing_to_what_was_loaded_leaves_the_registry_alone(length, snapshot):
    net = nn.Sequential(nn.Linear(length, 1), nn.BatchNorm1d(1))
    version = vessl.register_torch_model("weights", None, net)
    before = snapshot()
    for _ in range(2):
        loaded = vessl.load(version.reference).model
        for name, tensor in loaded.state_dict().items():
            assert torch.equal(tensor, net.state_dict()[name])
            tensor.fill_(7)
        assert loaded[0].weight.unique().tolist() == [7.0]
    assert snapshot() == before


@sizes
def test_a_loaded_module_can_be_trained_on(length):
    loaded = reload(nn.Linear(length, 1))
    before = loaded.bias.clone()
    loaded(torch.zeros(2, length)).sum().backward()
    torch.optim.SGD(loaded.parameters(), lr=1.0).step()
    assert torch.equal(loaded.bias, before - 2)


def test_gradients_stay_behind_as_with_torchs_own_pickling():
    net = nn.Linear(2, 1)
    net(torch.ones(2)).sum().backward()
    loaded = reload(net)
    assert net.weight.grad is not None
    assert loaded.weight.grad is None
    assert loaded.weight.requires_grad


def test_hooks_come_along():
    net = nn.Linear(2, 2)
    net.register_forward_hook(lambda module, inputs, output: output + 10)
    net.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,))
    x = torch.ones(2)
    assert torch.equal(reload(net)(x), net(x))


def test_a_module_of_a_local_class_computes_the_same():
    net = make_module().eval()
    x = torch.randn(5, 3)
    loaded = reload(net)
    assert torch.equal(loaded(x), net(x))
    assert type(loaded) is not type(net)
    assert type(loaded).__name__ == type(net).__name__


def test_an_lstm_of_flat_weights_computes_the_same():
    net = nn.LSTM(3, 4, num_layers=2)
    x = torch.randn(5, 3)
    assert torch.equal(reload(net)(x)[0], net(x)[0])


def test_a_generator_goes_on_where_it_was():
    generator = torch.Generator().manual_seed(3)
    torch.rand(5, generator=generator)
    loaded = reload(generator)
    assert torch.equal(torch.rand(5, generator=loaded), torch.rand(5, generator=generator))


@st.composite
def models_of_views(draw):
    """Draw some tensors over each of some storages, by any strides and offsets."""
    dtypes = [torch.float32, torch.bfloat16, torch.float8_e5m2, torch.int64, torch.bool, torch.complex64]
    model = []
    for _ in range(draw(st.integers(1, 3))):
        length = draw(st.integers(0, 40) | st.sampled_from([5000, 300_000]))
        storage = (torch.arange(length) % 2).to(draw(st.sampled_from(dtypes)))
        for _ in range(draw(st.integers(1, 3))):
            shape = draw(st.lists(st.integers(0, 4), max_size=4))
            strides = [draw(st.integers(0, 7)) for _ in shape]
            reach = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) if all(shape) else -1
            if reach < length:
                offset = draw(st.integers(0, length - 1 - max(reach, 0)) if length > reach + 1 else st.just(0))
                model.append(storage.as_strided(shape, strides, offset))
    return model


def pattern(tensors):
    """Number the storages, in the order in which they come."""
    numbers = {}
    return [numbers.setdefault(tensor.untyped_storage()._cdata, len(numbers)) for tensor in tensors]


@pytest.mark.filterwarnings("ignore:.* keeps a storage of:UserWarning")  # as tests/test_wide_views.py has it
@given(models_of_views())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_views_of_any_storages_come_back(registry_root, model):
    loaded = reload(model)
    describe = make_describer().predict
    assert describe(loaded, None) == describe(model, None)
    assert pattern(loaded) == pattern(model)


COLLECTED = """
import gc, torch, vessl_nb as vessl
def work():
    net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 2))
    vessl.register_torch_model("net", None, net)
    vessl.load("net")
work()
gc.collect()
"""


def test_what_registering_leaves_behind_is_collected_in_peace():
    done = subprocess.run([sys.executable, "-c", COLLECTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_tensor_without_memory_is_refused_as_torch_refuses_it():
    with pytest.raises(VesslError, match="ZeroTensor is not serializable"):
        vessl.register_model("weights", None, make_runner(), torch._efficientzerotensor(3))


NAMED_AS_A_PART = """
import sys, vessl_nb as vessl
assert "torch" not in sys.modules
print(vessl.load("net").run(1))
"""


def test_a_runner_that_names_something_as_torch_names_a_part_of_itself_loads_in_a_fresh_process():
    parts = [sys.modules[f"torch.{name}"] for name in ("classes", "ops")]
    assert types.ModuleType not in map(type, parts)  # else they would be pickled as any module is

    class Runner(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            net = torch.nn.Linear(2, 2)
            net.classes = net.ops = ["a", "b"]
            return net

        @staticmethod
        def predict(model, data):
            return model.classes[data]

    vessl.register_model("net", None, Runner, {}, check=False)
    done = subprocess.run([sys.executable, "-c", NAMED_AS_A_PART], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("b\n", "")
