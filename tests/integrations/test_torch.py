"""PyTorch networks: recorded at their root, unharmed by it. Those on a GPU are in test_torch_gpu.py."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wrapt
from driftline.capture.prediction import current
from driftline.tables.column_codec import strings

from tests.support.facts import lacking
from tests.support.service import Service
from tests.support.unwrap import unwrap

torch = pytest.importorskip("torch", reason="torch is not installed: make frameworks")

from driftline_integrations import torch_instrumentor  # noqa: E402
from driftline_integrations.torch import Hook, uninstrument  # noqa: E402
from driftline_integrations.torch_instrumentor import TorchInstrumentor  # noqa: E402

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


class Net(torch.nn.Module):  # type: ignore[misc,name-defined]
    """The softmax of its input, with a layer that is a module of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.same = torch.nn.Identity()

    def forward(self, x: Any, fail: str = "") -> Any:
        if fail == "interrupt":
            raise KeyboardInterrupt
        if fail:
            raise LookupError(fail)
        return self.same(x).softmax(-1)


X = torch.tensor([[0.0, 0.0], [0.0, float(np.log(3.0))]])


@pytest.fixture
def net(service: Service) -> Any:
    return service.model().instrument(Net().eval())


@pytest.fixture(autouse=True)
def _nothing_compiled() -> None:
    """Modules of one structure share what is compiled, and a few structures are kept at a time."""
    torch._dynamo.reset()


def scores(service: Service) -> list[float]:
    table = service.table()
    return [round(score, 6) for score in unwrap(table.scores)[:, 0].tolist()]


def test_a_batch_is_its_rows(service: Service, net: Any) -> None:
    answer = net(X)

    assert answer[1].tolist() == pytest.approx([0.25, 0.75])
    assert scores(service) == [0.5, 0.75]
    assert sorted(service.table().features) == ["f0", "f1"]
    assert [span.name for span in service.spans] == ["predict churn"]


def test_one_row_is_one_prediction(service: Service, net: Any) -> None:
    net(X[1:])

    attributes = service.attributes()
    assert attributes["ml.prediction.score"] == pytest.approx(0.75)
    assert attributes["driftline.feature.value.f1"] == pytest.approx(np.log(3.0))
    assert strings(service.table().id) == [attributes["ml.prediction.id"]]


def test_a_result_that_is_changed_afterwards_is_recorded_as_it_was(service: Service, net: Any) -> None:
    x = X.clone()
    answer = net(x)
    answer.zero_()
    x.zero_()

    assert scores(service) == [0.5, 0.75]
    column = unwrap(service.table().features["f1"].numbers)
    assert column.tolist() == pytest.approx([0.0, np.log(3.0)])


def test_logits_become_scores_in_one_line(service: Service) -> None:
    linear = torch.nn.Linear(2, 2, bias=False).eval()
    linear.weight.data = torch.eye(2)
    net = service.model().instrument(linear, score=lambda logits: logits.softmax(-1))
    answer = net(X)

    assert answer.requires_grad
    assert scores(service) == [0.5, 0.75]


def test_training_is_no_prediction(service: Service, net: Any) -> None:
    net.train()
    net(X)
    net.eval()

    assert service.tables() == []


def test_errors_pass_and_are_counted(service: Service, net: Any) -> None:
    with pytest.raises(LookupError, match="no"):
        net(X, fail="no")
    net(X)

    assert [span.attributes.get("error.type") for span in service.spans if span.attributes] == ["LookupError", None]
    assert current() is None


def test_an_error_that_was_being_handled_around_the_call_is_not_the_calls(service: Service, net: Any) -> None:
    try:
        raise ValueError("before")
    except ValueError:
        net(X)

    assert scores(service) == [0.5, 0.75]


def test_an_interrupt_leaves_nothing_open(service: Service, net: Any) -> None:
    """PyTorch calls no hook after Ctrl-C, and the next prediction is none inside the one that was interrupted."""
    with pytest.raises(KeyboardInterrupt):
        net(X, fail="interrupt")
    net(X)

    assert [(span.attributes or {}).get("error.type") for span in service.spans] == ["KeyboardInterrupt", None]
    assert current() is None


class Own(torch.nn.Sequential):  # type: ignore[misc,name-defined]
    """A class of one's own, whose ``forward`` is PyTorch's."""


def sequence(kind: Any = torch.nn.Sequential) -> Any:
    return kind(torch.nn.Identity(), torch.nn.Softmax(-1)).eval()


MODES = ["compile", "compile, whole graph", "in place", "in place, whole graph", "in place before", "outside"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("make", [lambda: Net().eval(), sequence, lambda: sequence(Own), lambda: torch.nn.Softmax(-1)])
def test_a_compiled_network_is_recorded(service: Service, make: Callable[[], Any], mode: str) -> None:
    """Whoever wrote its forward, and as the graph that it was before."""
    graphs: list[list[str]] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append([f"{node.op} {node.target}" for node in graph.graph.nodes if node.op != "placeholder"])
        return graph

    options = {"backend": backend, "fullgraph": "whole" in mode}
    plain = torch.compile(make().eval(), **options)
    expected = plain(X)
    torch._dynamo.reset()
    net, model = make().eval(), service.model()
    if mode == "outside":
        predict = model.instrument(torch.compile(net, **options))
    elif mode == "in place before":
        net.compile(**options)
        predict = model.instrument(net)
    elif "in place" in mode:
        predict = model.instrument(net)
        predict.compile(**options)
    else:
        predict = torch.compile(model.instrument(net), **options)
    for _ in range(3):
        assert torch.equal(predict(X), expected)

    assert sum(map(len, service.tables())) == 6
    assert len(graphs) == 2
    assert graphs[1] == graphs[0]


def test_compiled_sequences_share_their_graph_as_they_did(service: Service) -> None:
    graphs: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph

    nets = [torch.compile(service.model().instrument(sequence()), backend=backend, fullgraph=True) for _ in range(12)]
    for net in [*nets, *nets]:
        net(X)

    assert sum(map(len, service.tables())) == 2 * len(X) * len(nets)
    assert len(graphs) == 1


def test_a_sequence_stays_what_it_was_in_every_other_respect(service: Service, tmp_path: Path) -> None:
    """It is a Sequential to who asks, its file names PyTorch's class, and its slices, copies and keys are its own."""
    plain = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Softmax(-1)).eval()
    own = repr(plain), list(plain.state_dict()), inspect.signature(plain.forward)
    net = service.model().instrument(plain)

    assert isinstance(net, torch.nn.Sequential)
    assert (repr(net), list(net.state_dict()), inspect.signature(net.forward)) == own
    assert torch.equal(net[:2](X), net(X))
    for protocol in (2, pickle.HIGHEST_PROTOCOL):
        assert type(pickle.loads(pickle.dumps(net, protocol))) is torch.nn.Sequential
    torch.save(net, tmp_path / "net.pt")
    assert type(torch.load(tmp_path / "net.pt", weights_only=False)) is torch.nn.Sequential
    assert torch.jit.trace(net, X, check_trace=False)(X).shape == X.shape
    assert torch.export.export(net, (X,)).module()(X).shape == X.shape
    assert torch.nn.Module not in type(net).__bases__
    before = sum(map(len, service.tables()))

    twin = copy.deepcopy(net)
    twin[0].weight.data.zero_()
    assert not torch.equal(twin(X), net(X))
    torch.compile(twin, backend="eager")(X)
    assert sum(map(len, service.tables())) == before + 3 * len(X)

    assert type(service.model().instrument(torch.nn.Sequential())) is type(net)
    uninstrument(net)
    assert type(net) is torch.nn.Sequential
    net(X)
    assert sum(map(len, service.tables())) == before + 3 * len(X)


def test_a_sequence_that_holds_its_owner_is_copied_once(service: Service) -> None:
    net = service.model().instrument(sequence())
    net.owner = [net]

    twin = copy.deepcopy(net)

    assert twin.owner[0] is twin
    assert twin is not net


def test_a_sequence_compiled_in_place_before_passes_its_errors_and_is_left_as_it_was(service: Service) -> None:
    net = torch.nn.Sequential(Net()).eval()
    net[0].forward = lambda x: Net.forward(net[0], x, fail="no")
    net.compile(backend="eager")
    compiled = net._compiled_call_impl
    service.model().instrument(net)
    with pytest.raises(LookupError):
        net(X)
    net[0].forward = lambda x: x.softmax(-1)
    net(X)
    uninstrument(net)

    assert net._compiled_call_impl is compiled
    assert [(span.attributes or {}).get("error.type") for span in service.spans] == ["LookupError", None]
    assert current() is None


@pytest.mark.parametrize("make", [lambda: Net().eval(), sequence])
def test_a_network_inside_a_compiled_one_does_not_break_its_graph(service: Service, make: Callable[[], Any]) -> None:
    net = service.model().instrument(make())
    whole = torch.compile(torch.nn.Sequential(net, torch.nn.Identity()), backend="eager", fullgraph=True)

    assert whole(X)[1].tolist() == pytest.approx([0.25, 0.75])
    assert service.tables() == []


def test_a_copy_is_recorded_too(service: Service, net: Any) -> None:
    copy.deepcopy(net)(X)

    assert scores(service) == [0.5, 0.75]
    assert list(net.state_dict()) == []


def test_a_network_that_was_saved_whole_loads_where_driftline_is_not_installed(tmp_path: Any, net: Any) -> None:
    sequence = torch.nn.Sequential(torch.nn.Identity()).eval()
    sequence._forward_hooks.update(net._forward_hooks)
    sequence._forward_pre_hooks.update(net._forward_pre_hooks)
    sequence._forward_hooks_with_kwargs.update(net._forward_hooks_with_kwargs)
    sequence._forward_hooks_always_called.update(net._forward_hooks_always_called)
    sequence._forward_pre_hooks_with_kwargs.update(net._forward_pre_hooks_with_kwargs)
    torch.save(sequence, tmp_path / "net.pt")
    script = f"""
import sys
sys.modules["driftline"] = sys.modules["driftline_integrations"] = None
import torch
net = torch.load({str(tmp_path / "net.pt")!r}, weights_only=False)
print(net(torch.tensor([1.0])).tolist(), len(net._forward_hooks))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300)

    assert (done.stdout, done.returncode) == ("[1.0] 1\n", 0), done.stderr


def test_exporting_and_tracing_are_no_predictions(service: Service, net: Any) -> None:
    exported = torch.export.export(net, (X,))
    torch.export.export(net, (X,), strict=True)
    torch.jit.trace(net, X, check_trace=False)
    torch.onnx.export(net, (X,), io.BytesIO(), dynamo=False)
    assert service.tables() == []

    with pytest.raises(TypeError, match="does not support hooks; decorate the function"):
        service.model().instrument(exported.module())
    predict = service.model().predict(exported.module(), features=lambda x: x)
    assert predict(X)[1].tolist() == pytest.approx([0.25, 0.75])
    assert scores(service) == [0.5, 0.75]


def test_script_modules_are_decorated(service: Service) -> None:
    scripted = torch.jit.script(torch.nn.Sequential(torch.nn.Softmax(-1)).eval())
    with pytest.raises(TypeError, match="RecursiveScriptModule"):
        service.model().instrument(scripted)

    @service.model().predict
    def predict(x: Any) -> Any:
        return scripted(x)

    predict(X)
    assert scores(service) == [0.5, 0.75]


def test_images_are_counted_and_their_pixels_stay(service: Service) -> None:
    net = service.model(task="regression").instrument(
        torch.nn.Flatten(0).eval(), score=lambda x: x.reshape(8, -1)[:, 0]
    )
    net(torch.ones(8, 3, 4, 4))

    table = service.table()
    assert (len(table), table.features) == (8, {})


def test_features_are_what_somebody_makes_of_the_arguments(service: Service) -> None:
    net = service.model().instrument(Net().eval(), features=lambda x: {"sum": float(x.sum())})
    net(X[:1])
    assert service.attributes()["driftline.feature.value.sum"] == 0.0
    with pytest.raises(TypeError, match=r"Net\.forward.*'y'.*x, fail"):
        service.model().instrument(Net(), features="y")


def test_a_network_in_a_decorated_function_of_its_model_is_one_prediction(service: Service, net: Any) -> None:
    @service.model().predict(id=lambda row: row["id"], features=lambda row: {"f": row["f"]})
    def handler(row: dict[str, Any]) -> dict[str, str]:
        net(torch.tensor([row["f"]]))
        return {"status": "done"}

    handler({"id": "A-1", "f": [0.0, float(np.log(3.0))]})
    assert scores(service) == [0.75]
    assert strings(service.table().id) == ["A-1"]


def test_a_network_that_calls_itself_is_one_prediction(service: Service) -> None:
    class Twice(Net):
        def forward(self, x: Any, fail: str = "", again: bool = True) -> Any:
            return self(x, again=False) if again else super().forward(x, fail)

    service.model().instrument(Twice().eval())(X)

    assert scores(service) == [0.5, 0.75]


def test_threads_do_not_meet(service: Service, net: Any) -> None:
    threads = [threading.Thread(target=lambda: [net(X) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(map(len, service.tables())) == 160


def test_instrumenting_twice_counts_once_and_uninstrumenting_takes_everything_off(service: Service) -> None:
    net = Net().eval()
    for _ in range(2):
        service.model().instrument(net)
    net(X)
    assert sum(map(len, service.tables())) == 2

    uninstrument(net)
    assert not any(isinstance(hook, Hook) for hook in (*net._forward_hooks.values(), *net._forward_pre_hooks.values()))
    net(X)
    assert sum(map(len, service.tables())) == 2


def test_declared_networks_are_recorded_with_no_code(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from driftline import declared_models

    declared = declared_models.DeclaredModel(service.model(), estimator=f"{__name__}.Net")
    monkeypatch.setattr(torch_instrumentor, "declared", lambda: (declared,))
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Net.__module__])
    plain = Net.__init__
    TorchInstrumentor().instrument()
    Net().eval()(X)
    TorchInstrumentor().uninstrument()
    Net().eval()(X)

    assert sum(map(len, service.tables())) == 2
    assert Net.__init__ is plain
    assert "__setstate__" not in Net.__dict__


def test_a_network_that_is_imported_after_the_instrumentor_left_is_plain(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    from driftline import declared_models

    home = types.ModuleType("shop_networks")
    declared = declared_models.DeclaredModel(service.model(), estimator="shop_networks.Churn")
    monkeypatch.setattr(torch_instrumentor, "declared", lambda: (declared,))
    TorchInstrumentor().instrument()
    TorchInstrumentor().uninstrument()
    home.Churn = type("Churn", (Net,), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, home.__name__, home)
    wrapt.notify_module_loaded(home)

    assert "__init__" not in home.Churn.__dict__


def test_networks_of_an_older_torch_are_left_alone_with_a_line_that_says_so(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from driftline import declared_models

    declared = declared_models.DeclaredModel(service.model(), estimator=f"{__name__}.Net")
    monkeypatch.setattr(torch_instrumentor, "declared", lambda: (declared,))
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Net.__module__])
    monkeypatch.setattr(torch_instrumentor, "_NEEDED", ("torch >= 99",))
    plain = Net.__init__
    TorchInstrumentor().instrument(skip_dep_check=True)
    made = Net.__init__
    TorchInstrumentor().uninstrument()

    assert made is plain
    assert len(caplog.messages) == 1
    assert lacking(caplog.messages[0], f"{version('torch')}", "99") == []
