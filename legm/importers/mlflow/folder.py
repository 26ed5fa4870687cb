class FolderSource:
    @staticmethod
    def recognise(path):
        return None
