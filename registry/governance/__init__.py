"""The authorised operation on paper: the documents that the plan asks for, made from what ledgers, bundles and declarations say."""
