"""What export wrote as a model that MLflow can load: the folder, our code beside it, and nothing pickled."""

import tempfile
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

MODEL = "data/export/model"
CODE = Path(__file__).with_name("registered_model.py")
REQUIREMENTS = ("mlflow", "safetensors", "tokenizers", "torch", "transformers")


def signature() -> "ModelSignature":
    """Rows of a prompt or of messages in, answers out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import Array, Object, Property

    message = Object([Property("role", "string"), Property("content", "string")])
    prompt, messages = ColSpec("string", "prompt", required=False), ColSpec(Array(message), "messages", required=False)
    return ModelSignature(Schema([prompt, messages]), Schema([ColSpec("string")]))


def save(folder: Path, model_id: str, run_id: str | None) -> None:
    """Write the export as a model of MLflow: our code beside its safetensors, and nothing pickled."""
    import pandas as pd
    from mlflow.models import Model
    from mlflow.pyfunc import save_model

    save_model(
        path=str(folder),
        python_model=str(CODE),
        artifacts={"model": MODEL},
        signature=signature(),
        input_example=pd.DataFrame({"prompt": ["What is a graph?"]}),
        # Named, because MLflow would load the model to find out; without the build that `+cpu` stands for.
        pip_requirements=[f"{name}=={installed(name).partition('+')[0]}" for name in REQUIREMENTS],
        mlflow_model=Model(model_id=model_id, run_id=run_id),
    )


def store(client: "MlflowClient", experiment: str, name: str, run_id: str | None) -> str:
    """Store the export as a logged model of its run; its id."""
    model_id: str = client.create_logged_model(experiment, name, run_id).model_id
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder, "model"), model_id, run_id)
        client.log_model_artifacts(model_id, str(Path(folder, "model")))
    client.finalize_logged_model(model_id, "READY")
    return model_id
