"""PyTorch networks: recorded at their root, unharmed by it. Those on a GPU are in test_torch_gpu.py."""

from __future__ import annotations

import copy
import io
import subprocess
import sys
import threading
import types
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
import wrapt
from driftline.columns import strings
from driftline.prediction import current

from tests.sdk.service import Service

torch = pytest.importorskip("torch", reason="torch is not installed: make frameworks")

from driftline_integrations import networks  # noqa: E402
from driftline_integrations.torch import Hook, TorchInstrumentor, uninstrument  # noqa: E402

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


def scores(service: Service) -> list[float]:
    table = service.table()
    assert table.scores is not None
    return [round(score, 6) for score in table.scores[:, 0].tolist()]


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
    assert attributes["ml.feature.value.f1"] == pytest.approx(np.log(3.0))
    assert strings(service.table().id) == [attributes["ml.prediction.id"]]


def test_a_result_that_is_changed_afterwards_is_recorded_as_it_was(service: Service, net: Any) -> None:
    x = X.clone()
    answer = net(x)
    answer.zero_()
    x.zero_()

    assert scores(service) == [0.5, 0.75]
    column = service.table().features["f1"].numbers
    assert column is not None
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


@pytest.mark.parametrize("mode", ["compile", "compile, whole graph", "in place", "in place, whole graph", "outside"])
def test_a_compiled_network_is_recorded(service: Service, mode: str) -> None:
    net, model = Net().eval(), service.model()
    options = {"backend": "eager", "fullgraph": "whole" in mode}
    if mode == "outside":
        predict = model.instrument(torch.compile(net, **options))
    elif "in place" in mode:
        predict = model.instrument(net)
        predict.compile(**options)
    else:
        predict = torch.compile(model.instrument(net), **options)
    for _ in range(3):
        assert predict(X)[1].tolist() == pytest.approx([0.25, 0.75])

    assert sum(map(len, service.tables())) == 6


def test_a_network_inside_a_compiled_one_does_not_break_its_graph(service: Service, net: Any) -> None:
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

    with pytest.raises(TypeError, match="takes none; decorate the function"):
        service.model().instrument(exported.module())
    predict = service.model().predict(exported.module(), features=lambda x: x)
    assert predict(X)[1].tolist() == pytest.approx([0.25, 0.75])
    assert scores(service) == [0.5, 0.75]


def test_script_modules_are_decorated(service: Service) -> None:
    scripted = torch.jit.script(torch.nn.Sequential(torch.nn.Softmax(-1)).eval())
    with pytest.raises(TypeError, match="RecursiveScriptModule takes none; decorate the function"):
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
    assert service.attributes()["ml.feature.value.sum"] == 0.0
    with pytest.raises(TypeError, match=r"Net\.forward has no argument 'y'; it has x, fail"):
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
    from driftline import settings_file

    declared = settings_file.Declared(service.model(), estimator=f"{__name__}.Net")
    monkeypatch.setattr(settings_file, "declared", lambda: (declared,))
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
    from driftline import settings_file

    home = types.ModuleType("shop_networks")
    declared = settings_file.Declared(service.model(), estimator="shop_networks.Churn")
    monkeypatch.setattr(settings_file, "declared", lambda: (declared,))
    TorchInstrumentor().instrument()
    TorchInstrumentor().uninstrument()
    home.Churn = type("Churn", (Net,), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, home.__name__, home)
    wrapt.notify_module_loaded(home)

    assert "__init__" not in home.Churn.__dict__


def test_networks_of_an_older_torch_are_left_alone_with_a_line_that_says_so(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from driftline import settings_file

    declared = settings_file.Declared(service.model(), estimator=f"{__name__}.Net")
    monkeypatch.setattr(settings_file, "declared", lambda: (declared,))
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Net.__module__])
    monkeypatch.setattr(networks, "_NEEDED", ("torch >= 99",))
    plain = Net.__init__
    TorchInstrumentor().instrument(skip_dep_check=True)
    made = Net.__init__
    TorchInstrumentor().uninstrument()

    assert made is plain
    assert caplog.messages == [
        f"driftline: churn is not recorded: torch {version('torch')} is installed; recording needs torch >= 99"
    ]
