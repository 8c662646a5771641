"""Which words speak for which label? All labels share the passes of the model.

    python examples/multi_label_classification.py --model emotions "I loved it, they hated it." --label joy

It needs a server: ligserve serve --model emotions=PATH_OR_HUB_ID
"""

import argparse

from ligserve.client import DEFAULT_SERVER, Client, MultiLabelClassification


def main() -> None:
    """Ask the server, print the answer in colours, and write it as a page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("text", help="the text")
    parser.add_argument("--label", dest="labels", action="append", help="label to explain, else all of them")
    parser.add_argument("--model", required=True, help="name of a model on the server")
    parser.add_argument("--server", default=DEFAULT_SERVER, help="its address, HOST:PORT")
    parser.add_argument("--html", help="file to write the answer to")
    arguments = parser.parse_args()
    task = MultiLabelClassification(arguments.text, labels=arguments.labels or ())
    with Client(arguments.server) as client:
        explanation = client.explain(arguments.model, task)
    explanation.print()
    if arguments.html:
        explanation.save_html(arguments.html)


if __name__ == "__main__":
    main()
