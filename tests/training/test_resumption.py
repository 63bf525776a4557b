import torch

from stages.training.resumption import newest_state, write_state


def test_the_newest_state_comes_back_and_only_two_stay(tmp_path):
    for number in (5, 10, 15):
        write_state(tmp_path, number, {"step": number, "weights": torch.full((2,), float(number))})
    state = newest_state(tmp_path)
    assert state is not None
    assert state["step"] == 15
    assert state["weights"].tolist() == [15.0, 15.0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000010.pt", "00000015.pt"]


def test_a_damaged_newest_state_is_passed_over_and_named(tmp_path, capsys):
    for number in (1, 2):
        write_state(tmp_path, number, {"step": number})
    newest = tmp_path / "00000002.pt"
    newest.write_bytes(newest.read_bytes()[:50])
    (tmp_path / "00000003.partial").write_bytes(b"cut off")
    state = newest_state(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert str(newest) in capsys.readouterr().err


def test_a_state_that_would_run_code_is_not_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (print, ("opened",))

    torch.save({"step": Trap()}, tmp_path / "00000001.pt")
    assert newest_state(tmp_path) is None


def test_no_folder_is_no_state(tmp_path):
    assert newest_state(tmp_path / "absent") is None
