import numpy as np
import pytest

from stages.text.token_files import TokenFiles


@pytest.mark.parametrize("id_type", [np.uint16, np.uint32])
def test_stretches_of_several_files_come_end_to_end(tmp_path, id_type):
    for number in range(2):
        (np.arange(10, dtype=id_type) + 100 * number).tofile(tmp_path / str(number))
    with TokenFiles([tmp_path / "0", tmp_path / "1"], id_type) as files:
        found = files.read(np.array([1, 0, 1]), np.array([8, 0, 3]), np.array([2, 3, 1]))
        assert found.dtype == id_type
        assert found.tolist() == [108, 109, 0, 1, 2, 103]
        nothing = np.zeros(0, dtype=np.int64)
        assert files.read(nothing, nothing, nothing).tolist() == []
        with pytest.raises(EOFError, match="ends before token 11"):
            files.read(np.array([0]), np.array([9]), np.array([2]))
